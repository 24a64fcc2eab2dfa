"""pip on a machine that has neither it nor ensurepip: Debian's wheel of it runs without being installed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

from dev.console import run
from dev.debian import AptRoot

# Debian's pip needs this file, and a bare machine may lack it.
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
        unpacked = cls(folder)
        with AptRoot("trixie") as apt:
            apt.unpack_alone("python3-pip-whl", folder)
            [wheel] = folder.glob("usr/share/python-wheels/pip-*.whl")
            ZipFile(wheel).extractall(unpacked.library)
            if not SYSTEM_CERTIFICATES.exists():
                apt.unpack_alone("ca-certificates", folder)
                unpacked._bring_certificates()
        return unpacked

    @property
    def library(self) -> Path:
        """What is on sys.path where `python -m pip` is this one."""
        return self.folder / "library"

    def environment(self) -> dict[str, str]:
        """The host's environment in which `python -m pip` is this one."""
        return {**os.environ, "PYTHONPATH": str(self.library)}

    def _bring_certificates(self) -> None:
        """Put Debian's certificates into one file, as update-ca-certificates does, and its name into pip's own copy.

        No option does: this pip ends when it cannot open the system's file, whatever other one is named.
        """
        bundle = self.folder / "ca-certificates.crt"
        certificates = sorted(self.folder.glob("usr/share/ca-certificates/mozilla/*.crt"))
        bundle.write_text("".join(path.read_text() for path in certificates))
        place = self.library / "pip/_vendor/certifi/core.py"
        place.write_text(place.read_text().replace(str(SYSTEM_CERTIFICATES), str(bundle)))
