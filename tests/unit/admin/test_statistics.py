"""What the statistics and the metrics tell of an installation whose parts are real, but for Orthanc."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from framecache.admin.checks import Findings
from framecache.admin.measurements import Measurements
from framecache.admin.prometheus import Monitoring, families
from framecache.admin.statistics import Statistics
from framecache.config.reading import read_settings
from framecache.prefetch.cluster_figures import ClusterFigures, PieceCounts
from framecache.prefetch.task import Priority
from framecache.store.disk.disk_store import DiskStore
from framecache.store.resilient_store import ResilientStore

from tests.unit.admin.prometheus_text import parsed
from tests.unit.dicom_files import native
from tests.unit.fakes import FakeClock, FakeModule, eventually, orthanc_id
from tests.unit.harness import Harness

MB = 1 << 20


class Bench(Harness[ResilientStore, FakeClock]):
    """One study with one instance of three frames in the archive."""

    def __init__(self, folder: Path) -> None:
        settings = read_settings({"MaximumSizeMB": 256, "MinimumFrames": 1}, folder / "cache")
        clock = FakeClock()
        store = ResilientStore(lambda: DiskStore(settings.directory, 256 * MB), 256 * MB, clock)
        super().__init__(folder, store, clock, settings.policy())
        self.name = self.api.store(native(bytes(72)))
        self.findings = Findings(serving=True)
        self.measurements = Measurements(
            self.findings, settings, self.clock, self.catalogue, self.store, self.scheduler, self, self.pool
        )
        self.statistics = Statistics(self.metrics, self.measurements, self.clock)
        self.module = FakeModule({}, folder)
        self.monitoring = Monitoring(self.metrics, self.measurements, self.module)

    queue_length = 0  # of the change feed, which this stands in for

    def fill(self) -> None:
        self.scheduler.submit(self.name, Priority.ARRIVED)
        self.workers.start()
        assert eventually(lambda: self.metrics["extracted_instances"] == 1)

    def scraped(self) -> dict[str, float]:
        """By name and cause."""
        samples = parsed(self.monitoring.metrics().body.decode())
        return {" ".join([name, *labels.values()]): value for name, labels, value in samples}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()
    made.store.close()


def test_what_is_kept_and_what_waits_is_told(bench: Bench) -> None:
    bench.scheduler.submit(orthanc_id(9), Priority.VIEWER)
    bench.clock.now += 4
    told = bench.statistics.statistics()
    assert told["Queue"] == {"Length": 1, "OldestSeconds": 4.0, "AtWork": []}
    assert {**told["Cache"], "Bytes": 0} == {
        **dict.fromkeys(("Bytes", "Studies", "Series", "Instances", "Frames", "PinnedStudies", "Metadata"), 0),
        "MaximumBytes": 256 * MB,
    }

    bench.fill()
    bench.store.pins.pin("1.2.3")
    bench.clock.now += 60
    told = bench.statistics.statistics()
    held = {name: told["Cache"][name] for name in ("Studies", "Series", "Instances", "Frames", "PinnedStudies")}
    assert held == {"Studies": 1, "Series": 1, "Instances": 1, "Frames": 3, "PinnedStudies": 1}
    assert told["Cache"]["Bytes"] == bench.store.space.used()


def test_sums_and_series_have_the_names_of_the_contract(bench: Bench) -> None:
    bench.fill()
    bench.metrics.served("frames", "hit", 0.00018)
    bench.metrics.missed("queued")
    bench.metrics.removed("free_disk", 2, 500)
    told = bench.statistics.statistics()

    totals = told["Totals"]
    assert (totals["Hits"], totals["Misses"], totals["ExtractedFrames"], totals["EvictedBytes"]) == (1, 1, 3, 500)
    assert (totals["MissesByCause"]["Queued"], totals["EvictionsByCause"]["FreeDisk"]) == (1, 2)
    assert sum(totals["MissesByCause"].values()) == totals["Misses"]
    assert sum(totals["EvictionsByCause"].values()) == totals["EvictedInstances"]
    assert told["Latency"] == {"Median": 0.000175, "P99": 0.0002}
    for name, points, seconds in (("Hour", 60, 60), ("Day", 96, 900)):
        series = told[name]
        assert series.pop("Seconds") == seconds
        assert series.pop("Begin") < told["Now"]
        assert {len(values) for values in series.values()} == {points}
        assert (series["Hits"][-1], sum(series["Hits"])) == (1, 1)
        assert (series["MedianSeconds"][-2:], series["EvictedInstances"][-1]) == ([None, 0.000175], 2)


def test_periods_begin_when_they_are_noted(bench: Bench) -> None:
    bench.statistics.note()
    bench.metrics.count("errors")
    bench.clock.now += 60
    bench.statistics.note()
    bench.metrics.count("errors", 2)

    assert bench.statistics.statistics()["Hour"]["Errors"][-3:] == [0, 1, 2]


def test_a_scrape_tells_the_same_and_every_cause_from_the_start(bench: Bench) -> None:
    scraped = bench.scraped()
    assert (scraped["frame_cache_misses_total damaged"], scraped["frame_cache_evicted_bytes_total size"]) == (0, 0)

    bench.fill()
    bench.metrics.served("rendered", "miss", 0.4)
    bench.metrics.missed("other_form")
    bench.clock.now += 60
    scraped = bench.scraped()
    assert scraped["frame_cache_misses_total other_form"] == 1
    assert scraped["frame_cache_serve_seconds_count rendered miss"] == 1
    assert scraped["frame_cache_serve_seconds_bucket rendered miss 0.3"] == 0
    assert scraped["frame_cache_serve_seconds_bucket rendered miss 0.5"] == 1
    assert (scraped["frame_cache_extraction_seconds_count"], scraped["frame_cache_frames"]) == (1, 3)
    assert (scraped["frame_cache_serving"], scraped["frame_cache_degraded"]) == (1, 0)
    assert scraped["frame_cache_free_disk_bytes"] > 0


def test_names_are_ours_counters_end_as_counters_do_and_none_comes_twice(bench: Bench) -> None:
    told = list(families(bench.measurements.take(), bench.metrics))

    names = [family.name for family in told]
    assert len(set(names)) == len(names)
    for family in told:
        assert family.name.startswith("frame_cache_")
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name
        assert family.meaning.endswith(".")


def test_shared_work_is_told_by_kind_and_state_and_each_kind_from_the_start(bench: Bench) -> None:
    figures = ClusterFigures(3, [PieceCounts("export", 5, 2, 7, 1), PieceCounts("of a newer version", 1)], "gone", 1.0)
    told = {
        family.name: family for family in families(replace(bench.measurements.take(), cluster=figures), bench.metrics)
    }

    pieces = {tuple(one.labels.values()): one.value for one in told["frame_cache_shared_pieces"].samples}
    states = ("waiting", "at_work", "done", "failed")
    assert [pieces["export", state] for state in states] == [5, 2, 7, 1]
    assert [pieces["backfill", state] for state in states] == [0, 0, 0, 0]
    assert pieces["of a newer version", "waiting"] == 1
    singles = ("frame_cache_cluster_processes", "frame_cache_cluster_unreachable")
    assert [told[name].samples[0].value for name in singles] == [3, 1]


def test_orthanc_is_told_all_but_the_buckets(bench: Bench) -> None:
    bench.metrics.missed("queued")
    bench.monitoring.publish()

    published = bench.module.metrics
    assert published['frame_cache_misses_total{cause="queued"}'] == 1.0
    assert published["frame_cache_maximum_bytes"] == 256.0 * MB
    assert not [name for name in published if "seconds_bucket" in name]
    others = {name for name in bench.scraped() if "_seconds_" not in name}
    assert len(published) == len(others)


def test_what_is_held_is_counted_again_only_after_a_while(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting a large cache takes time: that may not become all that the plugin does because a page asks often."""
    counted: list[int] = []
    count = bench.store.space.rows

    def slow() -> int:
        counted.append(1)
        bench.clock.now += 1
        return count()

    monkeypatch.setattr(bench.store.space, "rows", slow)
    for _ in range(5):
        bench.measurements.take()
    assert len(counted) == 1
    bench.clock.now += 20
    bench.measurements.take()
    assert len(counted) == 2
