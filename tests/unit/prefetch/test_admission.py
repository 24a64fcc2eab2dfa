"""What is to be in the cache before anybody asks for it: as few questions to Orthanc as the rules allow."""

from __future__ import annotations

from pathlib import Path

import pytest
from framecache.config.reading import read_settings
from framecache.prefetch.admission import Admission

from tests.unit.arrived import stored
from tests.unit.fakes import FakeApi, orthanc_id

QUESTION = "POST /tools/bulk-content"


def archive() -> tuple[FakeApi, list[str]]:
    api = FakeApi()
    names = [
        stored(api, 1, tags={"Modality": "MG ", "StationName": "MAMMO1", "StudyDate": "20261101"}),
        stored(api, 2, tags={"Modality": "XA", "StudyDate": "20200101"}, remote_aet="CATHLAB"),
        stored(api, 3, number_of_frames=1),
    ]
    return api, names


@pytest.mark.parametrize(
    ("rules", "chosen", "questions"),
    [
        ([], {1: "normal", 2: "normal"}, 1),
        ([{"RemoteAET": "CATHLAB", "Priority": "high"}], {2: "high"}, 1),
        ([{"MaximumFrames": 1, "MaximumFrameMB": 1}], {3: "normal"}, 1),
        ([{"Modality": "MG"}], {1: "normal"}, 2),
        ([{"StationName": "MAMMO1", "Modality": "XA"}], {}, 2),
        ([{"MaximumStudyAgeDays": 30_000, "Priority": "low"}], {1: "low", 2: "low"}, 2),
        ([{"Modality": "XA", "MinimumStudyAgeDays": 300}], {2: "normal"}, 3),
        ([{"Extract": "demand"}], {}, 1),
        ([{"Modality": "XA", "Extract": "never"}, {}], {1: "normal", 3: "normal"}, 2),
    ],
)
def test_what_the_rules_want_is_chosen_and_parents_are_asked_of_only_if_a_rule_looks_at_them(
    rules: list[dict[str, object]], chosen: dict[int, str], questions: int
) -> None:
    api, names = archive()
    policy = read_settings({"Rules": rules}, Path("/beside")).policy()
    admitted = list(Admission(api, policy).admit(names))

    assert {one.orthanc_id: turn for one, turn in admitted} == {orthanc_id(key): turn for key, turn in chosen.items()}
    assert api.calls == [QUESTION] * questions


@pytest.mark.parametrize(
    ("rules", "chosen"),
    [
        ([{"Extract": "demand"}], [1, 2, 3]),
        ([{"Modality": "MG"}], [1, 2]),  # what no rule is about waits for a viewer, within the bounds of all
        ([{"Modality": "XA", "Extract": "never"}], [1]),
    ],
)
def test_what_waits_for_a_viewer_is_chosen_where_somebody_has_opened_its_study(
    rules: list[dict[str, object]], chosen: list[int]
) -> None:
    api, names = archive()
    policy = read_settings({"Rules": rules}, Path("/beside")).policy()
    admitted = Admission(api, policy).admit(names, on_demand=True)

    assert [one.orthanc_id for one, _ in admitted] == [orthanc_id(number) for number in chosen]


@pytest.mark.parametrize(("seconds", "questions"), [(10.0, [3, 1, 1]), (0.0, [3, 3, 3])])
def test_of_a_series_that_arrives_in_many_batches_it_is_asked_once_for_a_while(
    seconds: float, questions: list[int]
) -> None:
    api, names = archive()
    policy = read_settings({"Rules": [{"Modality": "MG", "MaximumStudyAgeDays": 30_000}]}, Path("/beside")).policy()
    admission = Admission(api, policy, remembered_seconds=seconds)
    asked = []
    for _ in questions:
        api.calls.clear()
        assert [one.orthanc_id for one, _ in admission.admit(names)] == names[:1]
        asked.append(len(api.calls))

    assert asked == questions


def test_what_is_told_of_an_instance_is_what_a_rule_looks_at() -> None:
    api, names = archive()
    policy = read_settings({"Rules": [{"StationName": "MAMMO1", "MinimumStudyAgeDays": 0}]}, Path("/beside")).policy()
    ((one, _),) = Admission(api, policy).admit(names)

    assert (one.modality, one.station_name, one.study_date, one.remote_aet) == ("MG", "MAMMO1", "20261101", "")
    assert (one.number_of_frames, one.file_size, one.frame_size) == (2, 1000, 300)
