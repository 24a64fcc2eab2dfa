"""Studies and events say whose they are, as far as Orthanc tells this login."""

from __future__ import annotations

import json
from typing import Any

import pytest
from framecache.cli.names import person

from tests.unit.cli.conftest import Command
from tests.unit.cli.server import FakeOrthanc, Reply, Request
from tests.unit.fakes import orthanc_id

STUDY, SERIES, INSTANCE, GONE = map(orthanc_id, range(1, 5))
ROW = {
    "ID": STUDY,
    "StudyInstanceUID": "1.2.3",
    "Frames": 12,
    "CachedFrames": 12,
    "Bytes": 1 << 20,
    "LastViewed": None,
    "Pinned": False,
}
TAGS = {"StudyDate": "20260301", "StudyDescription": "Screening"}


def bulk(request: Request) -> list[dict[str, Any]]:
    """As Orthanc answers: studies by their ID or by those of their series, instances by theirs."""
    asked = json.loads(request.body)
    if asked["Level"] == "Study" and {STUDY, SERIES} & {*asked["Resources"]}:
        patient = {"PatientName": "Doe^Jane"}
        return [{"ID": STUDY, "Series": [SERIES], "MainDicomTags": TAGS, "PatientMainDicomTags": patient}]
    if asked["Level"] == "Instance" and INSTANCE in asked["Resources"]:
        return [{"ID": INSTANCE, "ParentSeries": SERIES}]
    return []


@pytest.fixture
def stored(orthanc: FakeOrthanc) -> FakeOrthanc:
    of = {"Time": "t", "Kind": "cached", "Text": "12 frames"}
    levels = {"studies": STUDY, "series": SERIES, "instances": INSTANCE, "patients": GONE}
    events = [{"Sequence": n, "Level": level, "ID": levels[level], **of} for n, level in enumerate(levels, start=1)]
    events.append({"Sequence": 5, "Level": "instances", "ID": GONE, **of})
    orthanc.answers["/frame-cache/studies"] = {"Total": 2, "Studies": [ROW, {**ROW, "ID": None}]}
    orthanc.answers["/frame-cache/events"] = {"Events": events, "Last": 5, "Done": True}
    orthanc.answers["POST /tools/bulk-content"] = bulk
    return orthanc


def test_the_list_of_studies_names_patient_date_and_description(stored: FakeOrthanc, command: Command) -> None:
    _, first, second, _ = command("studies").output.splitlines()
    assert first.startswith("Doe Jane, 2026-03-01, Screening")
    assert STUDY in first
    assert second.startswith("-")
    assert command("studies", "--json").json == stored.answers["/frame-cache/studies"]


def test_events_name_the_study_at_each_level(stored: FakeOrthanc, command: Command) -> None:
    assert stored.url
    *known, patients, gone = command("events").output.splitlines()
    for resource, line in zip((STUDY, SERIES, INSTANCE), known, strict=True):
        assert f"{resource} (Doe Jane, 2026-03-01, Screening) 12 frames" in line
    assert "(" not in patients + gone
    assert all("Doe" not in line for line in command("events", "--json").output.splitlines())


def test_where_orthanc_tells_no_names_the_ids_are_shown(stored: FakeOrthanc, command: Command) -> None:
    stored.answers["POST /tools/bulk-content"] = Reply({"Message": "forbidden"}, 403)
    assert command("studies").code == command("events").code == 0
    assert STUDY in command("studies").output


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Doe^Jane^^Dr", "Doe Jane Dr"),
        ("", ""),
        ("^^", ""),
        ("=\u5c71\u7530^\u592a\u90ce", "\u5c71\u7530 \u592a\u90ce"),
        ("X=Y", "X"),
    ],
)
def test_a_name_is_that_of_the_first_group_that_says_something(written: str, shown: str) -> None:
    assert person(written) == shown
