"""A real Orthanc from Debian's packages, unpacked into a folder and run in place, without root."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dev.console import CACHE, SetupError, say
from dev.debian import AptRoot
from dev.once import make_once

SUITES = ("trixie", "forky")
EXTRAS = ("otel", "archive", "cluster")
PACKAGES = ("orthanc", "orthanc-dicomweb", "orthanc-python", "orthanc-gdcm", "python3")

# The embedded Python as a program of its own: the plugin starts its helper processes as `python3`.
# --argv0 makes sys.executable this wrapper, so that such a process can start another one.
PYTHON_WRAPPER = """#!/bin/sh
export PYTHONHOME='{root}/usr'
exec '{loader}' --library-path '{libraries}' --argv0 "$0" '{root}/usr/bin/{python}' "$@"
"""


@dataclass(frozen=True)
class OrthancFolder:
    """Where the files of one suite's Orthanc lie below `root`, and below `others` plugins that are not its own."""

    suite: str
    root: Path
    others: tuple[Path, ...] = field(default=(), kw_only=True)

    @property
    def loader(self) -> Path:
        return self._one("usr/lib/*-linux-gnu/ld-linux-*.so.*")

    @property
    def library_path(self) -> str:
        own = self.loader.parent.relative_to(self.root)
        return os.pathsep.join(map(str, (self.root / own, self.root / "usr/lib", *(one / own for one in self.others))))

    @property
    def python_version(self) -> str:
        """The embedded Python's, such as 3.13."""
        return os.readlink(self.root / "usr/bin/python3").removeprefix("python")

    @property
    def wrappers(self) -> Path:
        """The folder that holds `python3`; it belongs first on Orthanc's PATH."""
        return self.root / "bin"

    @property
    def site_packages(self) -> Path:
        return CACHE / "site" / self.suite

    def extra_packages(self, extra: str) -> Path:
        """What is beside `site_packages` where a site uses one of `EXTRAS`."""
        return CACHE / "site" / f"{self.suite}-{extra}"

    def plugin(self, name: str) -> Path:
        """The shared library of a plugin, such as OrthancDicomWeb."""
        paths = [root / f"usr/share/orthanc/plugins/lib{name}.so" for root in (self.root, *self.others)]
        return next(filter(Path.exists, paths), paths[0])

    def command(self, *arguments: str) -> list[str]:
        """How to start Orthanc: under the packages' own loader, so that the host's libraries do not matter."""
        return [str(self.loader), "--library-path", self.library_path, str(self.root / "usr/sbin/Orthanc"), *arguments]

    def environment(self, host: Mapping[str, str]) -> dict[str, str]:
        """What Orthanc sees of `host`, and what it needs to find its own files instead of the host's."""
        kept = {
            name: value for name, value in host.items() if not name.startswith(("PYTHON", "LD_", "LC_", "VIRTUAL_ENV"))
        }
        return kept | {
            "PATH": f"{self.wrappers}:{host.get('PATH', os.defpath)}",
            "LC_ALL": "C.UTF-8",
            # Both, as a Debian package of DCMTK has them built in.
            "DCMDICTPATH": ":".join(str(self.root / f"usr/share/dcmtk/{name}.dic") for name in ("dicom", "private")),
            "PYTHONHOME": str(self.root / "usr"),
            "PYTHONPATH": os.pathsep.join(map(str, (self.site_packages, *map(self.extra_packages, EXTRAS)))),
        }

    def _one(self, pattern: str) -> Path:
        for path in sorted(self.root.glob(pattern)):
            return path
        raise SetupError(f"{self.root} is incomplete: delete it and start again")


def orthanc_folder(suite: str) -> OrthancFolder:
    """The folder of `suite`, unpacked or not. Raises SetupError for a suite we do not support."""
    if suite not in SUITES:
        raise SetupError(f"ORTHANC_SUITE={suite} is not supported: use {' or '.join(SUITES)}")
    return OrthancFolder(suite, CACHE / "orthanc" / suite)


def unpack(suite: str) -> OrthancFolder:
    """Make sure that Orthanc of `suite` is unpacked; fetches about 62 MB from a Debian mirror when it is not."""
    folder = orthanc_folder(suite)
    make_once(folder.root, " ".join(PACKAGES) + PYTHON_WRAPPER, lambda: _fetch(folder))
    return folder


def _fetch(folder: OrthancFolder) -> None:
    say(f"Getting Orthanc from Debian {folder.suite} …")
    with AptRoot(folder.suite) as apt:
        apt.unpack(PACKAGES, folder.root)
    python = folder.wrappers / "python3"
    python.parent.mkdir()
    python.write_text(
        PYTHON_WRAPPER.format(
            root=folder.root,
            loader=folder.loader,
            libraries=folder.library_path,
            python=f"python{folder.python_version}",
        )
    )
    python.chmod(0o755)
