"""The arrivals of the last weeks in an archive, and the share of them that the cache would keep.

Orthanc's log names the series that arrived. A random sample of them is examined, and of each a sample of its instances:
often one series in five is cached, but only one instance in a thousand. All queries go to the database alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from random import Random
from typing import Any, TypeVar

from rich.progress import Progress

from framecache.cli.change_log import Change, ChangeLog, LogWindow
from framecache.cli.sampling import Estimate, Group, estimate
from framecache.cli.server import Server

T = TypeVar("T")

_MEGABYTE = 1 << 20
_BULK = 200  # series in one request; the answer names all their instances
_INSTANCES_BULK = 500
_MOST_INSTANCES = 20  # in the sample of one series


@dataclass(frozen=True)
class Worth:
    """The settings MinimumFrames and MinimumFrameMB, which decide whether an instance is cached."""

    minimum_frames: int = 2
    minimum_frame_mb: float = 4.0

    def kept_bytes(self, instance: Mapping[str, Any]) -> int | None:
        """The bytes of an instance's stored frames, or None if it is not cached."""
        text = str(instance.get("MainDicomTags", {}).get("NumberOfFrames") or "1").strip()
        frames = int(text) if text.isdecimal() and int(text) else 1
        offset = int(instance.get("Metadata", {}).get("PixelDataOffset") or 0)
        stored = max(0, int(instance.get("FileSize") or 0) - offset)
        is_worth_it = frames >= self.minimum_frames or stored // frames >= self.minimum_frame_mb * _MEGABYTE
        return stored if is_worth_it else None


@dataclass(frozen=True)
class SeriesSeen:
    """A series of `instances` that arrived on `day`. `kept_bytes` has an entry for each instance of the sample."""

    day: date
    instances: int
    kept_bytes: Sequence[int | None]

    @property
    def size(self) -> Group:
        """Bytes for the cache."""
        return Group(self.instances, [size or 0 for size in self.kept_bytes])

    @property
    def kept(self) -> Group:
        """Instances for the cache."""
        return Group(self.instances, [size is not None for size in self.kept_bytes])


@dataclass(frozen=True)
class RecentArrivals:
    """A sample of the `number` series that arrived."""

    number: int
    seen: Sequence[SeriesSeen]

    @property
    def is_sample(self) -> bool:
        """Whether the totals are estimates."""
        return self.number > len(self.seen) or any(one.instances > len(one.kept_bytes) for one in self.seen)

    @property
    def number_kept(self) -> int:
        """Series of the sample with instances for the cache."""
        return sum(any(size is not None for size in one.kept_bytes) for one in self.seen)

    @property
    def instances(self) -> Estimate:
        """All instances that arrived."""
        return estimate(self.number, [Group(one.instances, [1.0]) for one in self.seen])

    @property
    def kept(self) -> Estimate:
        """The instances for the cache among them."""
        return estimate(self.number, [one.kept for one in self.seen])

    @property
    def size(self) -> Estimate:
        """The bytes of the instances for the cache."""
        return estimate(self.number, [one.size for one in self.seen])

    @property
    def busiest_day(self) -> tuple[date, int] | None:
        """The day with the most bytes, if every series was examined."""
        if self.number > len(self.seen) or not self.seen:
            return None
        days = Counter[date]()
        for one in self.seen:
            days[one.day] += round(one.size.total)
        return days.most_common(1)[0]


def read(server: Server, window: LogWindow, worth: Worth, most_series: int, progress: Progress) -> RecentArrivals:
    """Examine at most `most_series` of the series that arrived in a window. Raises CommandError."""
    # A predictable sample harms nobody.
    chance = Random()  # noqa: S311
    arrived = _arrived(ChangeLog(server), window, progress)
    chosen = arrived if len(arrived) <= most_series else chance.sample(arrived, most_series)
    bar = progress.add_task("examining series", total=len(chosen), unit="series")
    seen: list[SeriesSeen] = []
    for some in _batches(chosen, _BULK):
        seen += _seen(server, some, worth, chance)
        progress.update(bar, completed=len(seen))
    return RecentArrivals(len(arrived), seen)


def _arrived(log: ChangeLog, window: LogWindow, progress: Progress) -> list[Change]:
    bar = progress.add_task("reading Orthanc's log", total=window.end - window.begin, unit="changes")
    arrived: list[Change] = []
    for page in log.new_series(window):
        arrived += page
        progress.update(bar, completed=page[-1].sequence - window.begin if page else 0)
    progress.update(bar, completed=window.end - window.begin)
    return arrived


def _seen(server: Server, chosen: Sequence[Change], worth: Worth, chance: Random) -> list[SeriesSeen]:
    """Series that were deleted meanwhile count as empty."""
    described = _bulk(server, "Series", [one.orthanc_id for one in chosen], metadata=False)
    members = {one["ID"]: one["Instances"] for one in described}
    sample = {name: _some(ids, chance) for name, ids in members.items()}
    kept: dict[str, int | None] = {}
    for ids in _batches([one for some in sample.values() for one in some], _INSTANCES_BULK):
        kept |= {one["ID"]: worth.kept_bytes(one) for one in _bulk(server, "Instance", ids, metadata=True)}
    return [_series(one, members.get(one.orthanc_id, ()), sample.get(one.orthanc_id, ()), kept) for one in chosen]


def _series(
    change: Change, members: Sequence[str], sample: Sequence[str], kept: Mapping[str, int | None]
) -> SeriesSeen:
    found = [kept[one] for one in sample if one in kept]
    return SeriesSeen(change.date.date(), len(members) if found else 0, found)


def _some(ids: Sequence[str], chance: Random) -> Sequence[str]:
    return ids if len(ids) <= _MOST_INSTANCES else chance.sample(ids, _MOST_INSTANCES)


def _bulk(server: Server, level: str, ids: Sequence[str], *, metadata: bool) -> list[dict[str, Any]]:
    """Describe resources from the database; no file is read."""
    body = {"Resources": list(ids), "Level": level, "Metadata": metadata}
    answer: list[dict[str, Any]] = server.post("tools/bulk-content", json=body)
    return answer


def _batches(items: Iterable[T], length: int) -> Iterator[list[T]]:
    """Python 3.12 has it as itertools.batched."""
    remaining = iter(items)
    while some := list(islice(remaining, length)):
        yield some
