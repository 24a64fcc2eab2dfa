"""The rows of the benchmark: who is held against whom in what, and what is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bench.probe import Probe
from bench.probes import (
    archive,
    beside,
    bucket,
    cluster,
    cold,
    filling,
    first_picture,
    folder,
    forms,
    metadata,
    objects,
    opening,
    scale,
    upload,
    viewer,
    warm,
)
from bench.samples import DataSet
from bench.subject import (
    ARCHIVE,
    ARCHIVE_CLIENT,
    BARE_READ,
    BUCKET,
    BUCKET_NOT_FILLING,
    COPY,
    COPYING,
    DICOMWEB_FILE_CLIENT,
    FILE_CLIENT,
    FRAMECACHE,
    FRAMECACHE_SLOW_LINE,
    FRAMECACHE_VIEWER,
    INDEX,
    NGINX,
    NGINX_VIEWER,
    NOT_FILLING,
    OBJECTS_CLIENT,
    ONE_WORKER,
    OTHER_NODE,
    PUTTING,
    READING,
    SHARED_WORK,
    STOCK,
    STOCK_BUCKET,
    STOCK_VIEWER,
    TRIVIAL,
    TUNED,
    TWO_WORKERS,
    WITHOUT,
    Subject,
)
from bench.wanted import AS_GOOD, Rule, Wanted

FRAME_MEGABYTES = 9.3
WORKERS = 2
# Two frames for each worker, and 32 MB.
MEMORY_MEGABYTES = 2 * FRAME_MEGABYTES * WORKERS + 32
NATIVE, JPEG_2000 = "native", "jpeg-2000"
OHIF_CONNECTIONS = 25
Suites = Literal["main", "second", "all"]

LEFT_OUT = (
    "`Mode: index` in the rows of other forms: it caches no converted frames, "
    "so each request costs as much as a cold one",
    "`Mode: auto`: it does what one of the two others does",
    "`/warm` of old instances beside requests: "
    "it uses the same workers as pre-extraction beside requests, which is measured",
    "an nginx in front that caches frames (docs/nginx.md)",
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
    suites: Suites = "main"

    @property
    def measurements(self) -> list[tuple[Probe, Subject]]:
        """What has to be measured for the row."""
        peer = [(self.peer_probe or self.probe, self.peer)] if self.peer else []
        return [(self.probe, self.subject), *peer]


def rows(data: dict[str, DataSet]) -> list[Row]:
    """All rows, in the order of the table."""
    titles = {name: one.title for name, one in data.items()}
    kinds = (
        _warm,
        _shapes,
        _cold,
        _bucket,
        _metadata,
        _forms,
        _viewer,
        _filling,
        _scale,
        _index,
        _folder,
        _archive,
        _objects,
        _cluster,
    )
    return [row for kind in kinds for row in kind(titles)]


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
            both: Suites = "all" if data_set in (NATIVE, JPEG_2000) else "main"
            what = f"warm, 4 connections: {titles[data_set]}"
            yield Row(what, probe, FRAMECACHE, peer, Wanted(Rule.TIMES_AS_MANY, bound), suites=both)
    probe, what = warm.throughput("tiles", 8), f"warm, 8 connections: {titles['tiles']}"
    for peer, bound in {TRIVIAL: 0.5, NGINX: None, TUNED: None, STOCK: None}.items():
        yield Row(what, probe, FRAMECACHE, peer, Wanted(Rule.TIMES_AS_MANY, bound))


def _shapes(titles: dict[str, str]) -> Iterator[Row]:
    spread = warm.spread(NATIVE, OHIF_CONNECTIONS)
    what = f"warm, OHIF's shape ({OHIF_CONNECTIONS} connections), 99th percentile: {titles[NATIVE]}"
    yield Row(what, spread, FRAMECACHE, None, Wanted(Rule.AT_MOST, 4))
    alone = warm.latency(NATIVE)
    for beside_what, probe, times in (
        (f"beside {beside.SLOW_READERS} that read 1 MB/s", beside.slow_readers(NATIVE), 1.5),
        ("while other instances are pre-extracted", beside.filling(NATIVE), 2),
        ("while Orthanc's Housekeeper compresses the files", beside.housekeeper(NATIVE), 2),
    ):
        what = f"warm, one client {beside_what}: {titles[NATIVE]}"
        yield Row(what, probe, FRAMECACHE, FRAMECACHE, Wanted(Rule.AT_MOST_TIMES, times), alone)


def _cold(titles: dict[str, str]) -> Iterator[Row]:
    for data_set, bound in {NATIVE: 50, JPEG_2000: None, "cine": None, "mammogram": None, "tiles": None}.items():
        probe, what = cold.first_frame(data_set), f"cold first frame, nothing cached: {titles[data_set]}"
        for peer in (TUNED, STOCK):
            quick = data_set == NATIVE or peer is STOCK
            suites: Suites = "all" if data_set == NATIVE else "main"
            yield Row(what, probe, FRAMECACHE, peer, Wanted(Rule.TIMES_FASTER, bound), quick=quick, suites=suites)
    what = f"cold scroll at {cold.FRAMES_PER_SECOND} frames/s, longest wait: {titles[NATIVE]}"
    yield Row(what, cold.scroll(NATIVE), FRAMECACHE, None, Wanted(Rule.AT_MOST, 1 / cold.FRAMES_PER_SECOND))
    what = f"instances in turn, one frame each, disk cold: {titles[NATIVE]}"
    for peer in (TUNED, STOCK):
        in_turn = Wanted(Rule.TIMES_FASTER, 20)
        yield Row(what, cold.in_turn(NATIVE), FRAMECACHE, peer, in_turn, quick=peer is STOCK)
    what = f"bytes read from disk for one cold frame: {titles[NATIVE]}"
    yield Row(what, cold.bytes_for_one_frame(NATIVE), NOT_FILLING, None, Wanted(Rule.AT_MOST, 1.1))


def _bucket(titles: dict[str, str]) -> Iterator[Row]:
    where = f"Orthanc with its files in S3, {titles[NATIVE]}"
    probe, faster = bucket.first_frame(), Wanted(Rule.TIMES_FASTER, 30)
    yield Row(f"cold first frame, nothing cached: {where}", probe, BUCKET_NOT_FILLING, STOCK_BUCKET, faster)
    what = f"bytes read from the bucket for one cold frame: {where}"
    yield Row(what, bucket.bytes_for_one_frame(), BUCKET_NOT_FILLING, None, Wanted(Rule.AT_MOST, 1.1))
    what = f"scroll at {bucket.FRAMES_PER_SECOND} frames/s, hits in the second pass: {where}"
    yield Row(what, bucket.second_pass(), BUCKET, None, Wanted(Rule.AT_LEAST, 1))


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


def _metadata(titles: dict[str, str]) -> Iterator[Row]:
    """What has a bound for forky; trixie's stock plugin reads headers only, and is to be no faster there."""
    large, many, long = metadata.LargeSeries(NATIVE), metadata.ManyInstances("slices"), metadata.LongHeaders("enhanced")
    for what, probe, bound in (
        (f"metadata of a series, just sent: {titles[NATIVE]}", large.probe(metadata.ALONE), 100),
        (
            f"metadata of all series at once, as soon as they were sent: {titles[NATIVE]}",
            large.probe(metadata.AT_ONCE),
            100,
        ),
        (f"metadata of the series, first: {titles['slices']}", many.probe(metadata.FIRST), 3),
        (f"metadata of the series, later: {titles['slices']}", many.probe(metadata.AGAIN), 3),
        (f"metadata of an instance, first: {titles['enhanced']}", long.probe(metadata.FIRST), 2),
        (f"metadata of an instance, later: {titles['enhanced']}", long.probe(metadata.AGAIN), 10),
    ):
        yield Row(what, probe, FRAMECACHE, STOCK, Wanted(Rule.TIMES_FASTER, bound))
        yield Row(what, probe, FRAMECACHE, STOCK, Wanted(Rule.TIMES_FASTER, AS_GOOD), suites="second")
    what = f"metadata of all its series at once, growth of an idle Orthanc in MB: {titles[NATIVE]}"
    yield Row(what, large.probe(metadata.MEMORY), FRAMECACHE, STOCK, Wanted(Rule.AT_MOST, 32), suites="all")
    what = f"metadata of the series, gzip accepted, bytes over the wire: {titles['slices']}"
    wire = many.probe(metadata.WIRE)
    yield Row(what, wire, FRAMECACHE, STOCK, Wanted(Rule.AT_MOST_TIMES, 0.2), suites="all")


def _viewer(titles: dict[str, str]) -> Iterator[Row]:
    what = f"OHIF in Chromium, cold, first frame request to last thumbnail: a study of {titles[NATIVE]}"
    wanted = Wanted(Rule.TIMES_FASTER, 10)
    yield Row(what, viewer.thumbnails(NATIVE), FRAMECACHE_VIEWER, STOCK_VIEWER, wanted)
    just_sent, cached, reopened = opening.JustSent(NATIVE), opening.Cached(NATIVE), opening.Reopened(NATIVE)
    for name in (opening.FIRST_PICTURE, opening.LAST_THUMBNAIL):
        what = f"navigation to {name}, just sent: a study of {titles[NATIVE]}"
        yield Row(what, just_sent.probe(name), FRAMECACHE_VIEWER, STOCK_VIEWER, Wanted(Rule.TIMES_FASTER, 5))
        wanted = Wanted(Rule.TIMES_FASTER, AS_GOOD)
        what = f"navigation to {name}, all cached, in a new browser: a study of {titles[NATIVE]}"
        yield Row(what, cached.probe(name), FRAMECACHE_VIEWER, NGINX_VIEWER, wanted)
        what = f"navigation to {name}, opened again: a study of {titles[NATIVE]}"
        yield Row(what, reopened.probe(name), FRAMECACHE_VIEWER, NGINX_VIEWER, wanted)
    what = "OHIF over 20 Mbit/s and 40 ms, one frame of 9.3 MB, times sooner as HTJ2K .202 than as .201: first picture"
    yield Row(what, first_picture.times_sooner(), FRAMECACHE_SLOW_LINE, None, Wanted(Rule.AT_LEAST, 2))


def _filling(titles: dict[str, str]) -> Iterator[Row]:
    what = f"end of the C-STORE to all frames warm, synced: {titles[NATIVE]}"
    yield Row(what, filling.stored_to_warm(NATIVE), FRAMECACHE, COPY, Wanted(Rule.AT_MOST_TIMES, 2))
    bound = Wanted(Rule.AT_MOST, MEMORY_MEGABYTES)
    what = f"memory while pre-extracting, growth in MB: {titles['huge']}"
    yield Row(what, filling.memory("huge"), FRAMECACHE, None, bound)
    # Slices not by C-STORE: storescu on loopback waits 40 ms for each (delayed acknowledgement), which hides all work.
    for data_set, way, title in (("slices", "REST", titles["slices"]), (NATIVE, "C-STORE", f"one {titles[NATIVE]}")):
        probe, wanted = upload.upload(data_set, way), Wanted(Rule.AT_MOST_TIMES, 1.05)
        yield Row(f"upload by {way}: {title}", probe, FRAMECACHE, WITHOUT, wanted)


def _scale(titles: dict[str, str]) -> Iterator[Row]:
    many, few = (scale.Scale(data_set) for data_set in ("many", "thousand"))
    for measured, name, wanted in (
        (scale.START_UP, "start-up to the first frame, seconds", Wanted(Rule.AT_MOST_MORE, 5)),
        (scale.MEMORY, "memory, MB", Wanted(Rule.AT_MOST_MORE, 200)),
        (scale.HIT, "median of a hit", Wanted(Rule.AT_MOST_TIMES, 1.2)),
    ):
        what = f"{titles['many']} cached, against {titles['thousand']}: {name}"
        yield Row(what, many.probe(measured), FRAMECACHE, FRAMECACHE, wanted, few.probe(measured), quick=False)


def _index(titles: dict[str, str]) -> Iterator[Row]:
    """The mode that copies nothing; what is cold is held against the copies for information only."""
    for data_set, connections in {NATIVE: 4, JPEG_2000: 4, "cine": 4, "mammogram": 4, "tiles": 8}.items():
        what = f"warm, {connections} connections: {titles[data_set]}"
        wanted, quick = Wanted(Rule.TIMES_AS_MANY, 0.9), data_set in (NATIVE, "tiles")
        yield Row(what, warm.throughput(data_set, connections), INDEX, FRAMECACHE, wanted, quick=quick)
    for data_set in (NATIVE, JPEG_2000, "cine", "mammogram", "tiles"):
        probe, what = cold.first_frame(data_set), f"cold first frame, nothing cached: {titles[data_set]}"
        yield Row(what, probe, INDEX, FRAMECACHE, Wanted(Rule.TIMES_FASTER), quick=data_set == NATIVE)
    for what, probe, bound in (
        (
            f"cold scroll at {cold.FRAMES_PER_SECOND} frames/s, longest wait",
            cold.scroll(NATIVE),
            1 / cold.FRAMES_PER_SECOND,
        ),
        ("bytes read from disk for one cold frame", cold.bytes_for_one_frame(NATIVE), 1.1),
    ):
        yield Row(f"{what}: {titles[NATIVE]}", probe, INDEX, None, Wanted(Rule.AT_MOST, bound), quick=False)
    what = f"end of the C-STORE to all frames warm, synced: {titles[NATIVE]}"
    yield Row(what, filling.stored_to_warm(NATIVE), INDEX, COPY, Wanted(Rule.AT_MOST_TIMES, 2), quick=False)


def _folder(titles: dict[str, str]) -> Iterator[Row]:
    """The Python client over files, against dicomweb-client's own on the same files."""
    small = folder.SmallFiles("small files")
    for what, probe, bound in (
        ("a folder of small files: first index", small.probe(folder.FIRST), 2),
        ("a folder of small files: index, nothing changed", small.probe(folder.UNCHANGED), 20),
        (f"a frame from the folder, disk cold: {titles[NATIVE]}", folder.cold_frame(NATIVE), AS_GOOD),
        (f"a frame from the folder, disk cold: {titles[JPEG_2000]}", folder.cold_frame(JPEG_2000), AS_GOOD),
    ):
        yield Row(what, probe, FILE_CLIENT, DICOMWEB_FILE_CLIENT, Wanted(Rule.TIMES_FASTER, bound))
    for data_set in (NATIVE, JPEG_2000):
        what, probe = f"bytes read for it, over its own: {titles[data_set]}", folder.bytes_for_one_frame(data_set)
        yield Row(what, probe, FILE_CLIENT, None, Wanted(Rule.AT_MOST, 1.1))
    what = "slowest of seven study searches in a large index, seconds"
    yield Row(what, folder.study_search(), FILE_CLIENT, None, Wanted(Rule.AT_MOST, 0.01))


def _archive(titles: dict[str, str]) -> Iterator[Row]:
    """Writing an archive, against what else is done with the same files."""
    slices = titles[archive.SLICES]
    for data_set in (NATIVE, JPEG_2000):
        what = f"added to an archive in a folder, synced: one {titles[data_set]}"
        yield Row(what, archive.added(data_set), ARCHIVE, COPYING, Wanted(Rule.TIMES_FASTER, 0.5))
    what, probe = f"added to an archive in a folder, synced: {slices}", archive.added(archive.SLICES)
    yield Row(what, probe, ARCHIVE, READING, Wanted(Rule.TIMES_FASTER, 2))
    what, probe = f"added to an archive in a bucket: {slices}", archive.added_to_bucket(archive.SLICES)
    yield Row(what, probe, ARCHIVE, PUTTING, Wanted(Rule.TIMES_FASTER, 0.8))
    for needed, probe in (("memory", archive.memory("huge")), ("open files", archive.open_files("huge"))):
        what = f"{needed} while it is added to an archive: {titles['huge']}"
        yield Row(what, probe, ARCHIVE, None, Wanted(Rule.AT_MOST, 64))
    what, few, many = "a series added to an archive of many", archive.series_among_few(), archive.series_among_many()
    yield Row(what, many, ARCHIVE, ARCHIVE, Wanted(Rule.AT_MOST_TIMES, 1.5), few)


def _objects(titles: dict[str, str]) -> Iterator[Row]:
    """The Python client over a bucket, against bare reads of the same bytes."""
    for data_set in (NATIVE, JPEG_2000):
        one, whole, holes = objects.one_frame(data_set), objects.all_frames(data_set), objects.all_frames(data_set, 2)
        for client in (ARCHIVE_CLIENT, OBJECTS_CLIENT):
            what = f"a frame from a bucket, index at hand: {titles[data_set]}"
            yield Row(what, one, client, BARE_READ, Wanted(Rule.AT_MOST_TIMES, 1.5))
            what = f"all frames from a bucket, against the whole object: {titles[data_set]}"
            yield Row(what, whole, client, BARE_READ, Wanted(Rule.AT_MOST_TIMES, 1.2))
        what = f"each other frame from a bucket, against the whole object: {titles[data_set]}"
        yield Row(what, holes, ARCHIVE_CLIENT, BARE_READ, Wanted(Rule.AT_MOST_TIMES, 1.2), whole)
    what = "slowest of seven study searches in a large index of a bucket, seconds"
    yield Row(what, objects.study_search(), OBJECTS_CLIENT, None, Wanted(Rule.AT_MOST, 0.01))
    what = "opening a large index of a bucket, seconds"
    yield Row(what, objects.opening(), OBJECTS_CLIENT, None, Wanted(Rule.AT_MOST))


def _cluster(titles: dict[str, str]) -> Iterator[Row]:
    """Work and archive that several machines share."""
    what = "instances exported by two workers, one core each, against one"
    yield Row(what, cluster.export(), TWO_WORKERS, ONE_WORKER, Wanted(Rule.TIMES_AS_MANY, 1.6))
    what = "pieces lost or done twice with effect: a worker is killed in the middle"
    yield Row(what, cluster.killed(), SHARED_WORK, None, Wanted(Rule.AT_MOST, 0))
    what = f"first frame on a node of what another one archived, files in a bucket: {titles[NATIVE]}"
    probe, wanted = cluster.warmed_elsewhere(), Wanted(Rule.TIMES_FASTER, 20)
    yield Row(what, probe, OTHER_NODE, STOCK_BUCKET, wanted, bucket.first_frame())
    what = f"a new task is seen while {cluster.JOBS:,} are queued, the longest of {cluster.LOOKS - 1}"
    yield Row(what, cluster.seen(), SHARED_WORK, None, Wanted(Rule.AT_MOST, 1))
