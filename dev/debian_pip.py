"""pip on a machine that has none: Debian's wheel of it runs without being installed (there is no ensurepip either)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.console import SetupError, run
from dev.debian import AptRoot

# Debian's pip trusts this file only, and a bare machine may lack it.
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


# Byte code is made by the Python that imports a module, which may not be the one that installs it.
OPTIONS = ("--quiet", "--require-hashes", "--no-compile", "--disable-pip-version-check", "--root-user-action=ignore")


def install(python: Path, arguments: list[str], environment: Mapping[str, str] = os.environ) -> None:
    """Install locked requirements with the pip that `python` finds. Raises SetupError when they cannot be had."""
    run(
        [str(python), "-m", "pip", "install", *OPTIONS, *arguments],
        failure="Python packages cannot be fetched: check the network, or name a package index in PIP_INDEX_URL",
        environment=environment,
    )


@dataclass(frozen=True)
class DebianPip:
    """Debian's pip, unpacked into `folder` from a Debian mirror."""

    folder: Path

    @classmethod
    def unpack(cls, folder: Path) -> DebianPip:
        with AptRoot("trixie") as apt:
            apt.unpack_alone("python3-pip-whl", folder)
            if not SYSTEM_CERTIFICATES.exists():
                apt.unpack_alone("ca-certificates", folder)
        return cls(folder)

    def environment(self) -> dict[str, str]:
        """The host's environment in which `python -m pip` is this one."""
        return {**self._certificates(), **os.environ, "PYTHONPATH": str(self._wheel())}

    def _wheel(self) -> Path:
        for wheel in self.folder.glob("usr/share/python-wheels/pip-*.whl"):
            return wheel
        raise SetupError("Debian's python3-pip-whl holds no pip: please report this")

    def _certificates(self) -> dict[str, str]:
        """Debian's certificates in one file, made as update-ca-certificates would, where the machine has none."""
        certificates = sorted(self.folder.glob("usr/share/ca-certificates/mozilla/*.crt"))
        if not certificates or "REQUESTS_CA_BUNDLE" in os.environ:
            return {}
        bundle = self.folder / "ca-certificates.crt"
        bundle.write_text("".join(path.read_text() for path in certificates))
        return {"PIP_CERT": str(bundle)}
