"""nginx, wrk and dcmtk from Debian's packages, unpacked into a folder and run in place, without root."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dev.console import CACHE, SetupError, run, say
from dev.debian import AptRoot
from dev.once import make_once

SUITE = "trixie"
PACKAGES = ("nginx", "wrk", "dcmtk")


@dataclass(frozen=True)
class Tools:
    """Where the tools lie below `root`."""

    root: Path

    def command(self, program: str, *arguments: str) -> list[str]:
        """How to start `program`, such as usr/bin/wrk, with the packages' own loader and libraries."""
        loader = next(iter(sorted(self.root.glob("usr/lib/*-linux-gnu/ld-linux-*.so.*"))), None)
        if loader is None:
            raise SetupError(f"{self.root} is incomplete: delete it and start again")
        return [str(loader), "--library-path", str(loader.parent), str(self.root / program), *arguments]

    def nginx(self, *arguments: str) -> list[str]:
        """How to start nginx."""
        return self.command("usr/sbin/nginx", *arguments)

    @property
    def environment(self) -> dict[str, str]:
        """What dcmtk's programs need to know: where their data dictionary is."""
        dictionary = next(self.root.glob("usr/share/*dcmtk*/dicom.dic"), None)
        if dictionary is None:
            raise SetupError(f"{self.root} is incomplete: delete it and start again")
        return {**os.environ, "DCMDICTPATH": str(dictionary)}

    @property
    def versions(self) -> dict[str, str]:
        """The packages' versions, as Debian writes them."""
        status = {}
        for name in PACKAGES:
            changelog = self.root / f"usr/share/doc/{name}/changelog.Debian.gz"
            line = run(["zcat", str(changelog)], failure=f"{changelog} cannot be read").partition("\n")[0]
            status[name] = line.partition("(")[2].partition(")")[0]
        return status


def unpack() -> Tools:
    """Make sure that the tools are there; fetches about 20 MB from a Debian mirror when they are not."""
    root = CACHE.resolve() / "bench/tools"
    make_once(root, f"{SUITE} {PACKAGES}", lambda: _fetch(root))
    return Tools(root)


def _fetch(root: Path) -> None:
    say(f"Getting {', '.join(PACKAGES)} from Debian {SUITE} …")
    with AptRoot(SUITE) as apt:
        apt.unpack(PACKAGES, root)
