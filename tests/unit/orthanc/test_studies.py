"""Studies newest first: each once, wherever one goes on, and the priors of a patient."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from framecache.errors import SourceError
from framecache.orthanc.studies import Studies, Study
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fakes import find_answer, orthanc_id, uuid

TODAY = date(2026, 11, 21)


class Archive:
    """Orthanc's /tools/find at the level of studies: dates are compared as texts, as its database does."""

    def __init__(self, *studies: Mapping[str, str]) -> None:
        self.studies, self.asked = list(studies), list[dict[str, Any]]()
        self.patient_id = "P1"
        self.most = 10**6  # what LimitFindResults says

    def get(self, uri: str) -> bytes:
        if uri == "/statistics":
            return json.dumps({"CountInstances": 70, "CountStudies": 10}).encode()
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
        page = found[asked["Since"] :][: min(asked["Limit"], self.most)]
        return json.dumps([_answer(study) for study in page]).encode()


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
    tags = {name: study[name] for name in ("StudyDate", "StudyInstanceUID") if name in study}
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


def test_where_studies_are_rare_many_days_are_asked_for_at_once_and_where_they_are_not_few() -> None:
    days = [date(2026, 11, 21) - timedelta(days=n) for n in range(2000)]
    rare = Archive(*(study(f"{day}", f"{day:%Y%m%d}") for day in days))
    assert names(newest_first(rare)) == [f"{day}" for day in days]
    assert len(rare.asked) < 100
    dense = Archive(*(study(f"{day} {n}", f"{day:%Y%m%d}") for day in days[:20] for n in range(60)))
    assert len(newest_first(dense)) == 1200
    first = [one["Query"]["StudyDate"] for one in dense.asked[1:41]]  # a page of each day, and an empty one
    assert first == [f"{day:%Y%m%d}-{day:%Y%m%d}" for day in days[:20] for _ in range(2)]


def test_only_the_newest_days_and_their_instances() -> None:
    archive = Archive(
        study("today", "20261121"), study("at the edge", "20261101"), study("older", "20261031"), study("none")
    )
    oldest = date(2026, 11, 1)
    assert names(newest_first(archive, oldest=oldest)) == ["today", "at the edge"]
    assert Studies(archive).number_of_instances(oldest) == 21  # three studies, with seven instances each on average
    assert archive.asked[-1] == {"Level": "Study", "Query": {"StudyDate": "20261101-"}}
    assert Studies(archive).number_of_instances() == 70


DAYS = st.dates(date(1960, 1, 1), date(2030, 1, 1)).map(lambda day: f"{day:%Y%m%d}")
ODD = st.sampled_from(["", "20261331", "2026.11.20", "2026112", "202611211"])
STUDIES = st.lists(
    st.tuples(st.none() | DAYS | ODD, st.sampled_from(["", "20260101T000000", "20260102T000000"])), max_size=12
)


@given(STUDIES, st.integers(0, 12), st.sampled_from([1, 3, 500]))
def test_each_study_comes_once_and_whoever_goes_on_misses_none(
    rows: list[tuple[str | None, str]], place: int, most: int
) -> None:
    archive = Archive(*(study(f"s{n}", day, LastUpdate=update) for n, (day, update) in enumerate(rows)))
    archive.most = most
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


def test_the_content_of_studies_comes_page_by_page_whatever_orthanc_s_limits_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[dict[str, Any]] = [find_answer(orthanc_id=orthanc_id(n), uuid=uuid(n)) for n in range(5)]
    answers[1]["Attachments"] = []
    asked: list[dict[str, Any]] = []

    def find(_uri: str, body: bytes) -> bytes:
        asked.append(json.loads(body))
        return json.dumps(answers[asked[-1]["Since"] :][:2]).encode()

    archive, odd = Archive(), list[Exception]()
    monkeypatch.setattr(archive, "post", find)
    studies = [Study("a", "20261121", "-", "1.2.3"), Study("no UID", "20261121", "-"), Study("b", "", "-", "1.2.4")]
    pages = list(Studies(archive).content(studies, odd.append))
    assert [[one.orthanc_id for one in page] for page in pages] == [
        [orthanc_id(0)],
        [orthanc_id(2), orthanc_id(3)],
        [orthanc_id(4)],
    ]
    assert len(odd) == 1
    assert {one["Query"]["StudyInstanceUID"] for one in asked} == {"1.2.3\\1.2.4"}
    assert [one["Since"] for one in asked] == [0, 2, 4]  # behind a page that is shorter than another was comes none


def test_of_studies_without_a_uid_nothing_is_asked() -> None:
    archive = Archive()
    assert list(Studies(archive).content([Study("a", "", "-")], list[Exception]().append)) == []
    assert archive.asked == []


@pytest.mark.parametrize(("written", "uid"), [("1.2.3", "1.2.3"), ("1.2.*", ""), ("", ""), ("1.2.3\\1.2.4", "")])
def test_only_a_valid_uid_is_asked_for(written: str, uid: str) -> None:
    (one,) = newest_first(Archive(study("a", "20261121", StudyInstanceUID=written)))
    assert one.study_instance_uid == uid


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
    found = Studies(Archive()).related("i", level)
    assert found == [f"{kind} {level} of i 1", f"{kind} {level} of i 2"]
