"""The rows of the benchmark: who is held against whom in what, and what is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bench.probe import Probe
from bench.probes import cold, filling, forms, scale, warm
from bench.samples import DataSet
from bench.subject import COPY, FRAMECACHE, NGINX, NOT_FILLING, STOCK, TRIVIAL, TUNED, WITHOUT, Subject
from bench.wanted import Rule, Wanted

FRAME_MEGABYTES = 9.3
WORKERS = 2
# Two frames for each worker, and 32 MB.
MEMORY_MEGABYTES = 2 * FRAME_MEGABYTES * WORKERS + 32
NATIVE, JPEG_2000 = "native", "jpeg-2000"
OHIF_CONNECTIONS = 25

LEFT_OUT = (
    "`Mode: index` and `Mode: auto`: not written yet",
    "a backfill or Orthanc's Housekeeper beside requests: there is no backfill yet",
    "OHIF in Chromium, first frame request to last thumbnail: measured by the viewer's tests",
    "an nginx in front (X-Accel-Redirect): not written yet",
)


@dataclass(frozen=True)
class Row:
    """`peer` is measured by `peer_probe`, the subject's own unless it is given; None is a fixed bound.

    `suites` says where the row is measured, `quick` whether the quick benchmark has it.
    """

    what: str
    probe: Probe
    subject: Subject
    peer: Subject | None
    wanted: Wanted
    peer_probe: Probe | None = None
    quick: bool = True
    suites: Literal["main", "all"] = "main"

    @property
    def measurements(self) -> list[tuple[Probe, Subject]]:
        """What has to be measured for the row."""
        peer = [(self.peer_probe or self.probe, self.peer)] if self.peer else []
        return [(self.probe, self.subject), *peer]


def rows(data: dict[str, DataSet]) -> list[Row]:
    """All rows, in the order of the table."""
    titles = {name: one.title for name, one in data.items()}
    return [*_warm(titles), *_shapes(titles), *_cold(titles), *_forms(titles), *_filling(titles), *_scale(titles)]


def _warm(titles: dict[str, str]) -> Iterator[Row]:
    wanted: dict[str, dict[Subject, float | None]] = {
        NATIVE: {NGINX: 1.0, TUNED: 2, STOCK: 100},
        JPEG_2000: {NGINX: 1.0, TUNED: 2, STOCK: 3},
        "cine": {NGINX: None, TUNED: None, STOCK: None},
        "mammogram": {NGINX: None, TUNED: None, STOCK: None},
    }
    for data_set, peers in wanted.items():
        probe = warm.throughput(data_set, 4)
        for peer, bound in peers.items():
            both: Literal["main", "all"] = "all" if data_set in (NATIVE, JPEG_2000) else "main"
            what = f"warm, 4 connections: {titles[data_set]}"
            yield Row(what, probe, FRAMECACHE, peer, Wanted(Rule.TIMES_AS_MANY, bound), suites=both)
    probe, what = warm.throughput("tiles", 8), f"warm, 8 connections: {titles['tiles']}"
    for peer, bound in {TRIVIAL: 0.5, NGINX: None, TUNED: None, STOCK: None}.items():
        yield Row(what, probe, FRAMECACHE, peer, Wanted(Rule.TIMES_AS_MANY, bound))


def _shapes(titles: dict[str, str]) -> Iterator[Row]:
    spread = warm.spread(NATIVE, OHIF_CONNECTIONS)
    what = f"warm, OHIF's shape ({OHIF_CONNECTIONS} connections), 99th percentile: {titles[NATIVE]}"
    yield Row(what, spread, FRAMECACHE, None, Wanted(Rule.AT_MOST, 4))
    beside, alone = warm.latency_beside_slow_readers(NATIVE), warm.latency(NATIVE)
    what = f"warm, one client beside {warm.SLOW_READERS} that read 1 MB/s: {titles[NATIVE]}"
    yield Row(what, beside, FRAMECACHE, FRAMECACHE, Wanted(Rule.AT_MOST_TIMES, 1.5), alone)
    while_filling = filling.latency_while_filling(NATIVE)
    what = f"warm, one client while other instances are pre-extracted: {titles[NATIVE]}"
    yield Row(what, while_filling, FRAMECACHE, FRAMECACHE, Wanted(Rule.AT_MOST_TIMES, 2), alone)


def _cold(titles: dict[str, str]) -> Iterator[Row]:
    for data_set, bound in {NATIVE: 50, JPEG_2000: None, "cine": None, "mammogram": None, "tiles": None}.items():
        probe, what = cold.first_frame(data_set), f"cold first frame, nothing cached: {titles[data_set]}"
        for peer in (TUNED, STOCK):
            quick = data_set == NATIVE or peer is STOCK
            suites: Literal["main", "all"] = "all" if data_set == NATIVE else "main"
            yield Row(what, probe, FRAMECACHE, peer, Wanted(Rule.TIMES_FASTER, bound), quick=quick, suites=suites)
    what = f"cold scroll at {cold.FRAMES_PER_SECOND} frames/s, longest wait: {titles[NATIVE]}"
    yield Row(what, cold.scroll(NATIVE), FRAMECACHE, None, Wanted(Rule.AT_MOST, 1 / cold.FRAMES_PER_SECOND))
    what = f"instances in turn, one frame each, disk cold: {titles[NATIVE]}"
    for peer in (TUNED, STOCK):
        in_turn = Wanted(Rule.TIMES_FASTER, 20)
        yield Row(what, cold.in_turn(NATIVE), FRAMECACHE, peer, in_turn, quick=peer is STOCK)
    what = f"bytes read from disk for one cold frame: {titles[NATIVE]}"
    yield Row(what, cold.bytes_for_one_frame(NATIVE), NOT_FILLING, None, Wanted(Rule.AT_MOST, 1.1))


def _forms(titles: dict[str, str]) -> Iterator[Row]:
    for form, data_set, bound in (
        ("as Explicit LE", JPEG_2000, 1000),
        ("/rendered", NATIVE, 500),
        ("/thumbnail", NATIVE, 500),
    ):
        for peer in (TUNED, STOCK):
            for probe, temperature, times in (
                (forms.cold(form, data_set), "cold", 20),
                (forms.warm(form, data_set), "warm", bound),
            ):
                what = f"{form}, {temperature}: {titles[data_set]}"
                yield Row(
                    what,
                    probe,
                    FRAMECACHE,
                    peer,
                    Wanted(Rule.TIMES_FASTER, times),
                    quick=peer is STOCK and form != "/thumbnail",
                )
    for number, data_set, bound in ((3, NATIVE, 50), (10, JPEG_2000, 10)):
        probe, what = warm.frame_list(data_set, number), f"a list of {number} frames: {titles[data_set]}"
        for peer in (TUNED, STOCK):
            yield Row(what, probe, FRAMECACHE, peer, Wanted(Rule.TIMES_FASTER, bound), quick=peer is STOCK)


def _filling(titles: dict[str, str]) -> Iterator[Row]:
    what = f"end of the upload to all frames warm, synced: {titles[NATIVE]}"
    yield Row(what, filling.stored_to_warm(NATIVE), FRAMECACHE, COPY, Wanted(Rule.AT_MOST_TIMES, 2))
    bound = Wanted(Rule.AT_MOST, MEMORY_MEGABYTES)
    what = f"memory while pre-extracting, growth in MB: {titles['huge']}"
    yield Row(what, filling.memory("huge"), FRAMECACHE, None, bound)
    for data_set, title in {"slices": titles["slices"], NATIVE: f"one {titles[NATIVE]}"}.items():
        probe, wanted = filling.upload(data_set), Wanted(Rule.AT_MOST_TIMES, 1.05)
        yield Row(f"upload: {title}", probe, FRAMECACHE, WITHOUT, wanted, quick=data_set != NATIVE)


def _scale(titles: dict[str, str]) -> Iterator[Row]:
    few, many = "thousand", "many"
    for make, name, wanted in (
        (scale.start_up, "start-up to the first frame, seconds", Wanted(Rule.AT_MOST_MORE, 5)),
        (scale.memory, "memory, MB", Wanted(Rule.AT_MOST_MORE, 200)),
        (scale.hit, "median of a hit", Wanted(Rule.AT_MOST_TIMES, 1.2)),
    ):
        what = f"{titles[many]} cached, against {titles[few]}: {name}"
        yield Row(what, make(many), FRAMECACHE, FRAMECACHE, wanted, make(few), quick=False)
