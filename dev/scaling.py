"""Simulates the caches of several Orthancs over a synthetic month: `python -m dev.scaling`.

Prints the hit ratio, and the bytes read from Orthanc's storage and from the archive, for nodes × cache size × ways to
spread requests. Nothing waits here: an instance is cached at the moment at which it arrives or is opened.
`--write` puts the tables into docs/scaling.md.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dev.console import CHECKOUT, exit_code, say
from dev.hospital import Event, Hospital, Study, month
from dev.lru_cache import LruCache

DOCUMENT = CHECKOUT / "docs/scaling.md"
TB = 10**12
# Beside an archive, Orthanc itself reads smaller files when they are extracted (docs/archive.md).
ARCHIVE_READS_FROM = 64 << 20

# Who is asked for an opened study: all nodes, frame by frame in turn; any one; always the reader's; always the study's.
Balance = Literal["request", "opening", "reader", "study"]
# Who caches what arrives: all, as the plugin does by itself; the node that received it; none ("Extract": "demand").
Prefetch = Literal["all", "receiver", "none"]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Nodes, each with a cache of `cache_bytes`; with `priors`, what arrives brings the patient's earlier studies."""

    nodes: int
    cache_bytes: float
    balance: Balance = "reader"
    prefetch: Prefetch = "all"
    priors: bool = False
    archive: bool = False


@dataclass(slots=True)
class Traffic:
    """What was counted: instances asked for, each at each node that is asked, and bytes."""

    hits: int = 0
    misses: int = 0
    from_storage: int = 0
    from_archive: int = 0
    sent: int = 0

    @property
    def requests(self) -> int:
        return self.hits + self.misses

    @property
    def hit_ratio(self) -> float:
        return self.hits / self.requests if self.requests else 0.0


class Simulation:
    """The nodes of one cluster, with empty caches at first."""

    def __init__(self, cluster: Cluster, seed: int = 1) -> None:
        self.traffic, self._cluster, self._chance = Traffic(), cluster, random.Random(seed)  # noqa: S311
        self._caches = [LruCache(cluster.cache_bytes) for _ in range(cluster.nodes)]

    def run(self, events: Iterable[Event]) -> Traffic:
        """Go through `events`, which are in the order of time."""
        for event in events:
            if event.reader is None:
                self._arrive(event)
            else:
                self._open(event, event.reader)
        return self.traffic

    def _arrive(self, event: Event) -> None:
        wanted = (event.study, *event.study.priors) if self._cluster.priors else (event.study,)
        for cache in self._receivers():
            for study in wanted:
                size = study.modality.instance_bytes
                self.traffic.from_storage += size * sum(cache.arrive(one, size, event.day) for one in _of(study))

    def _open(self, event: Event, reader: int) -> None:
        size = event.study.modality.instance_bytes
        self.traffic.sent += size * event.study.modality.instances
        for cache in self._asked(event.study, reader):
            for instance in _of(event.study):
                self._count(size, is_hit=cache.view(instance, size, event.day))

    def _count(self, size: int, *, is_hit: bool) -> None:
        if is_hit:
            self.traffic.hits += 1
            return
        self.traffic.misses += 1
        if self._cluster.archive and size >= ARCHIVE_READS_FROM:
            self.traffic.from_archive += size
        else:
            self.traffic.from_storage += size

    def _receivers(self) -> Sequence[LruCache]:
        match self._cluster.prefetch:
            case "all":
                return self._caches
            case "receiver":
                return [self._chance.choice(self._caches)]
            case "none":
                return []

    def _asked(self, study: Study, reader: int) -> Sequence[LruCache]:
        match self._cluster.balance:
            case "request":
                return self._caches
            case "opening":
                return [self._chance.choice(self._caches)]
            case "reader":
                return [self._caches[reader % len(self._caches)]]
            case "study":
                return [self._caches[study.number % len(self._caches)]]


def _of(study: Study) -> list[tuple[int, int]]:
    return [(study.number, place) for place in range(study.modality.instances)]


# Columns of the tables, and what they set.
WAYS: dict[str, tuple[Balance, Prefetch]] = {
    "request, all": ("request", "all"),
    "opening, all": ("opening", "all"),
    "reader, all": ("reader", "all"),
    "study, all": ("study", "all"),
    "reader, receiver": ("reader", "receiver"),
    "study, none": ("study", "none"),
}
NODES, CACHES = (2, 8, 20), (0.05, 0.25, 1.0)
STUDIES_PER_NODE, READERS_PER_NODE = 20, 3


def site(nodes: int) -> Hospital:
    """A hospital that grows with its nodes."""
    return Hospital(STUDIES_PER_NODE * nodes, READERS_PER_NODE * nodes)


def hit_ratios(nodes: int) -> Iterator[str]:
    """Rows of Markdown, one for each cache size: hit ratio, and terabytes read to fill the caches, for each way."""
    events = list(month(site(nodes)))
    for cache in CACHES:
        ways = [Cluster(nodes, cache * TB, *way) for way in WAYS.values()]
        cells = [f"{one.hit_ratio:.0%}, {terabytes(one.from_storage)}" for one in _runs(ways, events)]
        yield f"| {nodes} | {cache:g} | {' | '.join(cells)} |"


def tiers(nodes: int) -> Iterator[str]:
    """Rows of Markdown, with an archive, by study: what is read of which tier, and what is sent to viewers."""
    events, cluster = list(month(site(nodes))), Cluster(nodes, CACHES[1] * TB, "study", archive=True)
    ways = {
        "all": cluster,
        "all, with priors": replace(cluster, priors=True),
        "none": replace(cluster, prefetch="none"),
    }
    for name, one in zip(ways, _runs(ways.values(), events), strict=True):
        figures = " | ".join(map(terabytes, (one.from_storage, one.from_archive, one.sent)))
        yield f"| {nodes} | {name} | {one.hit_ratio:.0%} | {figures} |"


def _runs(clusters: Iterable[Cluster], events: Sequence[Event]) -> Iterator[Traffic]:
    return (Simulation(cluster).run(events) for cluster in clusters)


def terabytes(count: int) -> str:
    """In the precision that an estimate deserves."""
    return f"{count / TB:.1f} TB"


def with_tables(document: str, nodes: Sequence[int]) -> str:
    """The document with the rows of so many nodes made again; all other lines stay."""
    for rows in (hit_ratios, tiers):
        for count in nodes:
            made = "\n".join(rows(count))
            document = re.sub(
                rf"(<!-- {rows.__name__}:[^>]*-->.*?\n)(\| {count} \|[^\n]*\n)+",
                rf"\1{made}\n",
                document,
                count=1,
                flags=re.DOTALL,
            )
    return document


def main() -> None:
    options = parser().parse_args()
    if options.write:
        DOCUMENT.write_text(with_tables(DOCUMENT.read_text(), options.nodes))
        return
    for rows in (hit_ratios, tiers):
        for count in options.nodes:
            for row in rows(count):
                say(row)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m dev.scaling", description=__doc__)
    made.add_argument("--nodes", type=int, nargs="+", default=NODES, choices=NODES)
    made.add_argument("--write", action="store_true", help="write the tables into docs/scaling.md")
    return made


if __name__ == "__main__":
    sys.exit(exit_code(main))
