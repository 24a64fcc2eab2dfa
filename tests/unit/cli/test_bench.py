"""The cache measured beside Orthanc's own route."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from framecache.cli.load import LoadSample, LoadTurn, Measured

from tests.unit.cli.conftest import Command
from tests.unit.cli.server import FakeOrthanc, Reply, Request
from tests.unit.fakes import orthanc_id

STUDY, SERIES = orthanc_id(1), orthanc_id(2)
FRAME = b"x" * 1000
STOCK_SECONDS = 0.1

Answer = Callable[[Request], Reply]


def hit(_: Request) -> Reply:
    return Reply(FRAME, headers={"X-Frame-Cache": "hit"})


def slow(_: Request) -> Reply:
    time.sleep(STOCK_SECONDS)
    return Reply(FRAME)


def cached(orthanc: FakeOrthanc, cache: Answer = hit, stock: Answer = slow, state: str = "cached") -> None:
    """One study of two instances, one of them with 3 frames in the cache."""
    instances = [
        {"SOPInstanceUID": "1.2.3", "State": state, "NumberOfFrames": 3},
        {"SOPInstanceUID": "1.2.4", "State": "not cached", "NumberOfFrames": 9},
    ]
    study: dict[str, Any] = {"ID": STUDY, "StudyInstanceUID": "1.2", "SeriesList": [{"ID": SERIES}]}
    orthanc.answers |= {
        f"/studies/{STUDY}": {},
        "/frame-cache/studies": {"Total": 1, "Studies": [study]},
        f"/frame-cache/studies/{STUDY}": study,
        f"/frame-cache/series/{SERIES}": {"SeriesInstanceUID": "1.2.1", "InstancesList": instances},
    }
    for number in (1, 2, 3):
        path = f"/dicom-web/studies/1.2/series/1.2.1/instances/1.2.3/frames/{number}"
        orthanc.answers[path], orthanc.answers[path.replace("frames/", "frames/0")] = cache, stock


def test_both_routes_are_asked_and_compared(orthanc: FakeOrthanc, command: Command) -> None:
    cached(orthanc)
    done = command("bench", "--seconds", "1", "--connections", "2", "--json")
    told = done.json
    assert done.code == 0
    assert (told["Study"], told["Frames"], told["AnswerBytes"]) == (STUDY, 3, len(FRAME))
    assert told["Cache"]["Hits"] == told["Cache"]["Answers"] > told["Stock"]["Answers"] > 0
    assert told["Stock"]["MedianSeconds"] >= STOCK_SECONDS > told["Cache"]["MedianSeconds"]
    assert told["Ratio"]["Median"] == pytest.approx(
        told["Stock"]["MedianSeconds"] / told["Cache"]["MedianSeconds"], abs=0.01
    )
    assert "slow viewers down" in done.notices
    assert orthanc.changes == []


@pytest.mark.parametrize(
    ("cache", "stock", "code", "words"),
    [
        (hit, lambda _: Reply(b"", 500), 0, "No ratio"),
        (lambda _: Reply(b"", 307, {"X-Frame-Cache": "bypass", "Location": "01"}), slow, 1, "No ratio"),
        (lambda _: Reply(FRAME, headers={"X-Frame-Cache": "miss"}), slow, 1, "times as long"),
        (lambda _: Reply(b"", 302, {"Location": "https://login.example/"}), slow, 2, "https://login.example/"),
    ],
)
def test_answers_that_are_no_hits_are_told(
    orthanc: FakeOrthanc, command: Command, cache: Answer, stock: Answer, code: int, words: str
) -> None:
    cached(orthanc, cache, stock)
    done = command("bench", STUDY, "--seconds", "0.2", "--connections", "1")
    assert done.code == code
    assert words in done.output + done.notices


@pytest.mark.parametrize(
    ("milliseconds", "median", "p99"),
    [([], None, None), ([7], 7, 7), ([9, 1, 5], 5, 9), (list(range(1, 101)), 51, 100), (list(range(1000)), 500, 990)],
)
def test_quantiles_are_those_of_good_answers(milliseconds: list[int], median: int | None, p99: int | None) -> None:
    good = [LoadSample(time, 10, 200, "hit") for time in milliseconds]
    measured = Measured([LoadTurn(good[::2], 1.0), LoadTurn([*good[1::2], LoadSample(9999, 10, 500, "")], 1.0)])
    assert (measured.median, measured.p99, measured.errors) == (median, p99, 1)
    assert measured.throughput == 5 * len(milliseconds)


def test_what_is_not_cached_whole_is_not_measured(orthanc: FakeOrthanc, command: Command) -> None:
    cached(orthanc, state="filling")
    done = command("bench")
    assert (done.code, done.output) == (1, "")
    assert f"framecache warm {STUDY}" in done.notices
    orthanc.answers["/frame-cache/studies"] = {"Total": 0, "Studies": []}
    assert "the cache is empty" in command("bench").notices
