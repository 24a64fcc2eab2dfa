"""Prometheus and its promtool from Debian's packages, unpacked into `.cache` and run in place, without root."""

from __future__ import annotations

from pathlib import Path

from dev.console import CACHE, SetupError, say
from dev.debian import AptRoot
from dev.once import make_once, one_at_a_time

SUITE = "trixie"
# Without what they recommend and depend on: that is for the pages of Prometheus' own console.
PACKAGES = ("prometheus", "promtool", "libc6")


def unpack() -> Path:
    """The folder that holds them; fetches about 50 MB from a Debian mirror when it is empty. Raises SetupError."""
    folder = CACHE.resolve() / "prometheus"
    with one_at_a_time():
        make_once(folder, f"{SUITE} {PACKAGES}", lambda: _fetch(folder))
    return folder


def command(program: str, *arguments: str) -> list[str]:
    """How to start `prometheus` or `promtool`, with the packages' own loader and libraries."""
    folder = unpack()
    loader = next(iter(sorted(folder.glob("usr/lib/*-linux-gnu/ld-linux-*.so.*"))), None)
    if loader is None:
        raise SetupError(f"{folder} is incomplete: delete it and start again")
    return [str(loader), "--library-path", str(loader.parent), str(folder / "usr/bin" / program), *arguments]


def _fetch(folder: Path) -> None:
    say(f"Getting Prometheus from Debian {SUITE} …")
    with AptRoot(SUITE) as apt:
        for package in PACKAGES:
            apt.unpack_alone(package, folder)
