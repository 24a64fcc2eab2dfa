"""An Orthanc whose clock can be set while it runs: libfaketime from Debian is loaded into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.console import CACHE, SetupError, say
from dev.debian import AptRoot
from dev.once import make_once
from dev.orthanc_folder import OrthancFolder

SUITE, PACKAGE = "trixie", "libfaketime"


@dataclass(frozen=True)
class FolderWithClock(OrthancFolder):
    """An unpacked Orthanc that reads how far its clock is off from the file `clock`, such as +3650d."""

    library: Path
    clock: Path

    def command(self, *arguments: str) -> list[str]:
        loader, *rest = super().command(*arguments)
        return [loader, "--preload", str(self.library), *rest]

    def environment(self, host: Mapping[str, str]) -> dict[str, str]:
        """Waiting goes by the monotonic clock, which no operator can set, and stays as it is."""
        return super().environment(host) | {
            "FAKETIME_TIMESTAMP_FILE": str(self.clock),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


def unpack() -> Path:
    """Make sure that the library is there; fetches some kB from a Debian mirror when it is not."""
    root = CACHE.resolve() / "faketime"
    make_once(root, f"{SUITE} {PACKAGE}", lambda: _fetch(root))
    for path in root.glob("usr/lib/*/faketime/libfaketimeMT.so.1"):
        return path
    raise SetupError(f"{root} is incomplete: delete it and start again")


def _fetch(root: Path) -> None:
    say(f"Getting {PACKAGE} from Debian {SUITE} …")
    with AptRoot(SUITE) as apt:
        apt.unpack_alone(PACKAGE, root)
