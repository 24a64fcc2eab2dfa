"""POST /frame-cache/rules/preview: what rules would do with the studies of the last days."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from framecache.admin.area import read_arguments
from framecache.admin.dry_run import Preview
from framecache.admin.jobs import Job, Jobs
from framecache.config.reading import read_settings
from framecache.errors import BadRequest, NotFound
from framecache.prefetch.extraction_cost import ExtractionCost
from framecache.telemetry.events import Events

from tests.unit.arrived import stored
from tests.unit.fakes import FakeApi, FakeClock, FakeLog, WatchedStore, eventually, orthanc_id

TODAY = date(2026, 3, 1)


class Studies(FakeApi):
    """Also finds studies by their date, page by page; each instance is a study of its own, with the same ID."""

    def __init__(self) -> None:
        super().__init__()
        self.dates: dict[str, str] = {}
        self.pages: list[int] = []
        self.on_page: Callable[[], object] = lambda: None

    def put(self, number: int, days_ago: int, tags: dict[str, str] | None = None, **values: Any) -> str:
        day = f"{TODAY - timedelta(days_ago):%Y%m%d}"
        name = stored(self, number, tags={"StudyDate": day, "Modality": "MG", **(tags or {})}, **values)
        self.dates[name] = day
        return name

    def post(self, uri: str, body: bytes) -> bytes:
        question = json.loads(body)
        if uri != "/tools/find" or question["Level"] != "Study":
            return super().post(uri, body)
        first = question["Query"]["StudyDate"].rstrip("-")
        found = sorted((day, name) for name, day in self.dates.items() if day >= first)
        page = found[question["Since"] : question["Since"] + question["Limit"]]
        self.pages.append(len(page))
        self.on_page()
        return json.dumps([name for _, name in page]).encode()

    def get(self, uri: str) -> bytes:
        if not uri.startswith("/studies/"):
            return super().get(uri)
        name = uri.split("/")[2]
        if name not in self.instances:
            raise NotFound("Unknown resource")
        return json.dumps([name]).encode()


class Bench:
    def __init__(
        self, folder: Path, *, batch: int = 200, study_page: int = 100, pause: float = 0.0, **settings: Any
    ) -> None:
        self.api, clock = Studies(), FakeClock()
        self.jobs = Jobs(clock, Events(clock))
        self.extraction_cost = ExtractionCost(WatchedStore().notes, clock)
        section = {"MaximumSizeMB": 16, **settings}
        self.area = Preview(
            self.api,
            read_settings(section, folder),
            self.jobs,
            self.extraction_cost,
            batch=batch,
            study_page=study_page,
            pause=pause,
            today=lambda: TODAY,
        )

    def begin(self, **arguments: Any) -> Job:
        """With arguments as the route reads them from a body."""
        answer = self.area.post_routes["rules/preview"]
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in arguments.items()}
        return self.jobs.find(answer(**read_arguments(answer, texts))["Job"])  # type: ignore[index]

    def result(self, **arguments: Any) -> Any:
        job = self.begin(**arguments)
        assert eventually(lambda: job.has_ended)
        assert (job.state, job.error) == ("done", None)
        return json.loads(json.dumps(job.to_json()))["Result"]


NewBench = Callable[..., Bench]


@pytest.fixture
def new_bench(tmp_path: Path) -> Iterator[NewBench]:
    benches: list[Bench] = []

    def new(**values: Any) -> Bench:
        benches.append(Bench(tmp_path, **values))
        return benches[-1]

    yield new
    for bench in benches:
        bench.jobs.stop()


@pytest.fixture
def bench(new_bench: NewBench) -> Bench:
    return new_bench()


def test_each_rule_is_told_with_what_it_would_bring_into_the_cache(bench: Bench) -> None:
    bench.extraction_cost.note("stored", 1000, 1000, 2.0)
    bench.api.put(1, 3)
    bench.api.put(2, 1, {"Modality": "XA"})
    bench.api.put(3, 1, {"Modality": "CT"}, number_of_frames=1)
    bench.api.put(4, 99)
    rules = [{"Modality": "MG"}, {"Modality": "NM", "Extract": "never"}]
    result = bench.result(Rules=rules, Days=30)

    nothing = {"Instances": 0, "Frames": 0, "StoredBytes": 0, "CacheBytes": 0, "CPUSeconds": 0}
    one = {"Instances": 1, "Frames": 2, "StoredBytes": 600, "CacheBytes": 0, "CPUSeconds": 0}
    assert result == {
        "Days": 30,
        "FirstStudyDate": f"{TODAY - timedelta(3)}",
        "Studies": 3,
        "DaysKept": round((16 << 20) / 600 * 4, 1),  # three days ago until today are four
        "Measured": {"stored": {"StoredBytes": 1000, "CacheBytes": 1000, "CPUSeconds": 2.0}},
        "Rules": [
            {"Rule": 1, "Written": rules[0], "Extract": "arrival", **one, "CacheBytes": 600, "CPUSeconds": 1.2},
            {"Rule": 2, "Written": rules[1], "Extract": "never", **nothing},
            {"Rule": None, "Written": None, "Extract": "demand", **one},
            {"Rule": None, "Written": None, "Extract": "never", **one, "Frames": 1},
        ],
        "Total": {"Instances": 3, "Frames": 5, "StoredBytes": 1800, "CacheBytes": 600, "CPUSeconds": 1.2},
    }


def test_what_this_server_has_never_made_is_not_guessed(bench: Bench) -> None:
    bench.api.put(1, 3)
    result = bench.result(Rules=[{"Form": "HTJ2K"}])

    assert (result["Total"]["CacheBytes"], result["Total"]["CPUSeconds"], result["DaysKept"]) == (None, None, None)


def test_without_rules_it_is_about_those_in_force(new_bench: NewBench) -> None:
    bench = new_bench(Rules=[{"Modality": "CT"}])
    for arguments in ({}, {"Rules": None}):
        assert [row["Written"] for row in bench.result(**arguments)["Rules"]] == [{"Modality": "CT"}]
    assert bench.result(Rules=[])["Rules"] == []


def test_an_archive_is_read_page_by_page_and_what_goes_meanwhile_is_passed_over(
    new_bench: NewBench, log: FakeLog
) -> None:
    bench = new_bench(study_page=10)
    for number in range(25):
        bench.api.put(number, number % 20, {"StudyDate": "unknown"} if number == 3 else {})
    bench.api.on_page = lambda: bench.api.delete(orthanc_id(24))
    result = bench.result()

    assert bench.api.pages == [10, 10, 5, 0]
    assert result["Total"]["Instances"] == 24
    assert not log.lines


def test_a_dry_run_ends_when_it_is_cancelled(new_bench: NewBench) -> None:
    bench = new_bench(batch=1, pause=60)
    for number in range(5):
        bench.api.put(number, 1)
    job = bench.begin()
    assert eventually(lambda: job.done == 1)
    bench.jobs.cancel(job.id)

    assert eventually(lambda: job.state == "cancelled")
    assert job.done == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"Rules": [{"Modality": 7}]}, 'rule 1 of "Rules": "Modality" is 7; allowed is'),
        ({"Rules": {"Modality": "MG"}}, "allowed is a list of rules such as"),
        ({"Rules": "MG"}, "allowed is a list of rules, or null"),
        ({"Rules": [{}] * 1001}, "at most 1000 are allowed"),
        ({"Days": 0}, "allowed is a whole number from 1 to 36500"),
        ({"Last": 1}, 'unknown argument "Last"; known arguments: Rules, Days'),
    ],
)
def test_what_cannot_be_meant_is_refused(bench: Bench, arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadRequest, match=complaint):
        bench.begin(**arguments)
