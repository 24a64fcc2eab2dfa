"""What a process holds, sampled, and whether it levels off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.disk import disk_usage

MIB = 1 << 20
_MORE_DESCRIPTORS, _MORE_THREADS = 10, 4
_MORE_MEMORY, _MORE_OF_MEMORY = 32 * MIB, 0.1
_FEWEST = 6
_SHORTEST = 180.0  # seconds; before, it is the filling up that is seen


@dataclass(frozen=True)
class Level:
    """At `seconds` since the begin of the run; memory and disk in bytes. `start` tells one process from the next."""

    seconds: float
    start: int
    resident: int
    descriptors: int
    threads: int
    cache: int


def sample(seconds: float, start: int, pid: int, cache: Path) -> Level:
    """Raises OSError where the process has ended."""
    process = Path(f"/proc/{pid}")
    fields = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    descriptors = len(list((process / "fd").iterdir()))
    return Level(
        seconds, start, int(fields["VmRSS"].split()[0]) << 10, descriptors, int(fields["Threads"]), disk_usage(cache)
    )


def complaints(levels: Sequence[Level], limit: int) -> Iterator[str]:
    """What is over its limit at any time, and what grows within the last process that ran for long."""
    largest = max((level.cache for level in levels), default=0)
    if largest > limit:
        yield f"the cache's folder had {largest / MIB:.1f} MiB of {limit / MIB:.1f}"
    last = [level for level in levels if level.start == levels[-1].start] if levels else []
    steady = last[len(last) // 4 :]  # caches and pools fill up first
    if len(steady) < _FEWEST or steady[-1].seconds - steady[0].seconds < _SHORTEST:
        return
    third = len(steady) // 3
    before, after = steady[:third], steady[-third:]
    resident = [median(level.resident for level in part) for part in (before, after)]
    if resident[1] > resident[0] + max(_MORE_MEMORY, resident[0] * _MORE_OF_MEMORY):
        yield f"memory grew from {resident[0] / MIB:.0f} to {resident[1] / MIB:.0f} MiB"
    for name, more in (("descriptors", _MORE_DESCRIPTORS), ("threads", _MORE_THREADS)):
        first, second = (median(getattr(level, name) for level in part) for part in (before, after))
        if second > first + more:
            yield f"{name} grew from {first:g} to {second:g}"
