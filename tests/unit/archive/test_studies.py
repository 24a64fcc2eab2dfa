"""Studies newest first: each once, wherever one goes on, and the priors of a patient."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from framecache.archive.studies import Studies, Study
from framecache.errors import SourceError
from hypothesis import given
from hypothesis import strategies as st

TODAY = date(2026, 11, 21)


class Archive:
    """Orthanc's /tools/find at the level of studies: dates are compared as texts, as its database does."""

    def __init__(self, *studies: Mapping[str, str]) -> None:
        self.studies, self.asked = list(studies), list[dict[str, Any]]()
        self.patient_id = "P1"

    def get(self, uri: str) -> bytes:
        if uri == "/statistics":
            return json.dumps({"CountInstances": 7}).encode()
        _, kind, name, *rest = uri.split("/")
        if rest == ["instances?expand=false"]:
            return json.dumps([f"{kind} {name} 1", f"{kind} {name} 2"]).encode()
        if kind == "instances":
            return json.dumps({"ID": f"{rest[0]} of {name}"}).encode()
        patient = next(study for study in self.studies if study["ID"] == name)["Patient"]
        return json.dumps({"ParentPatient": patient, "PatientMainDicomTags": {"PatientID": self.patient_id}}).encode()

    def post(self, uri: str, body: bytes) -> bytes:
        asked = json.loads(body)
        self.asked.append(asked)
        if uri == "/tools/count-resources":
            return json.dumps({"Count": 3, **asked}).encode()
        found = [study for study in self.studies if _matches(study, asked)]
        start = asked.get("Since", 0)
        return json.dumps([_answer(study) for study in found[start : start + asked.get("Limit", 10**6)]]).encode()


def _matches(study: Mapping[str, str], asked: Mapping[str, Any]) -> bool:
    if "ParentPatient" in asked:
        return study.get("Patient") == str(asked["ParentPatient"])
    dates = asked["Query"].get("StudyDate")
    if dates is None:
        return True
    begin, _, end = dates.partition("-")
    written = study.get("StudyDate")
    return written is not None and (not begin or written >= begin) and (not end or written <= end)


def _answer(study: Mapping[str, str]) -> dict[str, Any]:
    tags = {"StudyDate": study["StudyDate"]} if "StudyDate" in study else {}
    modalities = {"ModalitiesInStudy": study.get("Modalities", "")}
    metadata = {"LastUpdate": study["LastUpdate"]} if "LastUpdate" in study else {}
    return {"ID": study["ID"], "MainDicomTags": tags, "RequestedTags": modalities, "Metadata": metadata}


def study(name: str, day: str | None = None, **values: str) -> dict[str, str]:
    return {"ID": name, **({} if day is None else {"StudyDate": day}), **values}


def names(found: list[Study]) -> list[str]:
    return [one.orthanc_id for one in found]


def newest_first(archive: Archive, bookmark: str = "", oldest: date | None = None) -> list[Study]:
    return list(Studies(archive).newest_first(bookmark, TODAY, oldest))


def test_the_newest_study_comes_first_and_those_without_a_date_last() -> None:
    archive = Archive(
        study("none"),
        study("old", "19991231"),
        study("older than DICOM", "19000101"),
        study("yesterday, updated late", "20261120", LastUpdate="20261121T090000"),
        study("empty", ""),
        study("today", "20261121"),
        study("yesterday", "20261120", LastUpdate="20261120T090000"),
        study("of another format", "2026.11.20"),
        study("no day", "20261331"),
        study("to come", "20301224"),
    )

    assert names(newest_first(archive)) == [
        "to come",
        "today",
        "yesterday, updated late",
        "yesterday",
        "old",
        "older than DICOM",
        "none",
        "empty",
        "of another format",
        "no day",
    ]


def test_years_without_a_study_cost_few_questions() -> None:
    archive = Archive(study("a", "20261121"), study("b", "19850101"))
    assert names(newest_first(archive)) == ["a", "b"]
    assert len(archive.asked) < 40


def test_only_the_newest_days_and_their_instances() -> None:
    archive = Archive(
        study("today", "20261121"), study("at the edge", "20261101"), study("older", "20261031"), study("none")
    )
    oldest = date(2026, 11, 1)
    assert names(newest_first(archive, oldest=oldest)) == ["today", "at the edge"]
    assert Studies(archive).number_of_instances(oldest) == 3
    assert archive.asked[-1] == {"Level": "Instance", "Query": {"StudyDate": "20261101-"}}
    assert Studies(archive).number_of_instances() == 7


DAYS = st.dates(date(1960, 1, 1), date(2030, 1, 1)).map(lambda day: f"{day:%Y%m%d}")
ODD = st.sampled_from(["", "20261331", "2026.11.20", "2026112", "202611211"])
STUDIES = st.lists(
    st.tuples(st.none() | DAYS | ODD, st.sampled_from(["", "20260101T000000", "20260102T000000"])), max_size=12
)


@given(STUDIES, st.integers(0, 12))
def test_each_study_comes_once_and_whoever_goes_on_misses_none(rows: list[tuple[str | None, str]], place: int) -> None:
    archive = Archive(*(study(f"s{n}", day, LastUpdate=update) for n, (day, update) in enumerate(rows)))
    found = newest_first(archive)
    assert sorted(names(found)) == sorted(one["ID"] for one in archive.studies)
    dated = [one for one in found if one.study_date]
    assert found[: len(dated)] == sorted(dated, key=lambda one: one.age, reverse=True)

    if place < len(found):
        rest = names(newest_first(archive, found[place].bookmark))
        if found[place].study_date:
            assert rest == names(found[place + 1 :])
        else:  # those without a date are begun with again
            assert set(names(found[place + 1 :])) <= set(rest) <= set(names(found[len(dated) :]))


@pytest.mark.parametrize("bookmark", ["x", "undated", "undated x", "2026 1", " ", "20261399 a b"])
def test_a_bookmark_that_cannot_be_read_is_no_end(bookmark: str) -> None:
    assert "a" in names(newest_first(Archive(study("a", "19850101"), study("b")), bookmark)) or "undated" in bookmark


def test_an_answer_of_another_kind_is_a_source_error(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive()
    monkeypatch.setattr(archive, "post", lambda *_: b'[{"Path": 1}]')
    with pytest.raises(SourceError):
        newest_first(archive)


PATIENT = [
    study("new", "20261121", Patient="P", Modalities="MG\\SR"),
    study("last year", "20251121", Patient="P", Modalities="MG"),
    study("chest", "20260101", Patient="P", Modalities="CT"),
    study("long ago", "20101121", Patient="P", Modalities="MG\\US"),
    study("undated", None, Patient="P", Modalities="MG"),
    study("still to come", "20270101", Patient="P", Modalities="MG"),
    study("another's", "20260101", Patient="Q", Modalities="MG"),
]


@pytest.mark.parametrize(
    ("most", "same_modality", "expected"),
    [
        (1, True, ["last year"]),
        (5, True, ["last year", "long ago"]),
        (2, False, ["chest", "last year"]),
        (0, False, []),
    ],
)
def test_the_priors_are_the_patient_s_newest_earlier_studies(
    most: int, expected: list[str], *, same_modality: bool
) -> None:
    archive = Archive(*PATIENT)
    assert names(Studies(archive).priors("new", most, same_modality=same_modality)) == expected


@pytest.mark.parametrize("patient_id", ["", "  "])
def test_patients_without_an_id_are_not_the_same(patient_id: str) -> None:
    archive = Archive(*PATIENT)
    archive.patient_id = patient_id
    assert Studies(archive).priors("new", 5, same_modality=False) == []


@pytest.mark.parametrize(("level", "kind"), [("series", "series"), ("study", "studies")])
def test_the_relatives_of_an_instance_are_those_of_its_series_or_study(level: str, kind: str) -> None:
    found = Studies(Archive()).relatives("i", level)
    assert found == [f"{kind} {level} of i 1", f"{kind} {level} of i 2"]
