"""Debian packages without root: a private apt root that leaves the host's own untouched.

It uses the host's mirror, keyring, proxy and certificates, as the host's apt is configured.
"""

from __future__ import annotations

import os
import platform
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from dev.console import CACHE, SetupError, run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# Hooks of the host's apt (emptying its cache, telling its desktop) are none of our business.
CONFIGURATION = """
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
APT::Sandbox::User "";
APT::Install-Recommends "false";
APT::Update::Error-Mode "any";
Dpkg::Use-Pty "false";
"""


def mirror() -> str:
    """The Debian mirror: DEBIAN_MIRROR, else the one the host's apt uses for its own release."""
    if chosen := os.environ.get("DEBIAN_MIRROR"):
        return chosen
    listing = run(
        ["apt-get", "update", "--print-uris"],
        failure="apt's list of sources cannot be read: set DEBIAN_MIRROR=<address of a Debian mirror>",
    )
    return choose_mirror(listing, platform.freedesktop_os_release().get("VERSION_CODENAME", ""))


def choose_mirror(listing: str, codename: str) -> str:
    """Pick Debian's own archive from the release files that apt would fetch: `'ADDRESS/dists/CODENAME/InRelease' …`.

    Raises SetupError when no source carries the host's release; others may carry it too, so .../debian comes first.
    """
    mirrors = re.findall(rf"^'(\S+)/dists/{re.escape(codename)}/InRelease'", listing, re.MULTILINE)
    if not codename or not mirrors:
        raise SetupError("apt knows no Debian mirror on this machine: set DEBIAN_MIRROR=<address of a Debian mirror>")
    return str(min(mirrors, key=lambda address: not address.endswith("/debian")))


class AptRoot:
    """The package lists of one suite in a temporary folder; use as a context manager."""

    def __init__(self, suite: str) -> None:
        self.suite = suite
        self._temporary = tempfile.TemporaryDirectory(prefix="apt-", dir=CACHE)
        self._root = Path(self._temporary.name)

    def __enter__(self) -> AptRoot:
        try:
            self._lay_out()
            self._apt("update")
        except BaseException:
            self._temporary.cleanup()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._temporary.cleanup()

    def unpack(self, packages: Sequence[str], folder: Path) -> None:
        """Unpack `packages` and all they depend on into `folder`."""
        self._apt("install", "--yes", "--download-only", *packages)
        self._unpack_archives(self._root / "cache/archives", folder)

    def unpack_alone(self, package: str, folder: Path) -> None:
        """Unpack one package without its dependencies into `folder`."""
        archives = self._root / package
        archives.mkdir()
        self._apt("download", package, directory=archives)
        self._unpack_archives(archives, folder)

    def _lay_out(self) -> None:
        for part in ("state/lists/partial", "cache/archives/partial"):
            (self._root / part).mkdir(parents=True)
        (self._root / "status").touch()
        trust = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
        (self._root / "sources.list").write_text(f"deb {trust}{mirror()} {self.suite} main\n")
        (self._root / "apt.conf").write_text(CONFIGURATION.format(root=self._root))

    def _apt(self, action: str, *arguments: str, directory: Path | None = None) -> None:
        moved = ["env", f"--chdir={directory}"] if directory else []
        run(
            [*moved, "apt-get", f"--config-file={self._root}/apt.conf", action, "--quiet", *arguments],
            failure=f"the Debian mirror {mirror()} did not give {self.suite}: check the network or set DEBIAN_MIRROR",
        )

    @staticmethod
    def _unpack_archives(archives: Path, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for package in sorted(archives.glob("*.deb")):
            run(["dpkg-deb", "--extract", str(package), str(folder)], failure=f"{package.name} cannot be unpacked")
