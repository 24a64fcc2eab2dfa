"""The index finds by SQL what the criteria mean, whatever values and criteria are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from framecache.client.index.local_index import OTHER, IndexedFile, LocalIndex
from framecache.client.index.reading import Record
from framecache.dicomweb.attributes import ATTRIBUTES, Level
from framecache.dicomweb.matching import key_of
from framecache.dicomweb.query import parse_query
from framecache.errors import BadRequest
from hypothesis import given
from hypothesis import strategies as st

URL = "file:///images"
BY_KEYWORD = {one.keyword: one for one in ATTRIBUTES}


def record(number: int, **values: Any) -> Record:
    """A study of one series of one instance."""
    study = f"1.{number}"
    uids = {"StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.1", "SOPInstanceUID": f"{study}.1.1"}
    return Record({**uids, **values}, "1.2.840.10008.1.2.1", None, None)


@pytest.fixture
def index() -> Iterator[LocalIndex]:
    index = LocalIndex(None)
    yield index
    index.close()


def put(index: LocalIndex, *records: Record) -> None:
    with index.writing() as writer:
        for number, one in enumerate(records):
            writer.put("folder", f"{number}", IndexedFile(1, "1", OTHER), one)


def found(index: LocalIndex, level: Level, **parameters: Any) -> list[str]:
    tag = ("0020000D", "0020000E", "00080018")[level]
    return [result[tag]["Value"][0] for result in index.search(parse_query(level, parameters), URL)]


VALUES = {
    "PatientName": ["Doe^John", "DOE^JANE", "Müller^Eva=M=E", "Yamada^Tarou=山田^太郎", "", "A[b]*c", "Doe^John^^^"],
    "PatientID": ["P1", "p1", "P12", "", "50%", "a\\b", "it's"],
    "StudyDate": ["20200101", "20201231", "2020.06.01", "", "garbage"],
    "StudyTime": ["10", "1030", "103059.5", "", "235959"],
    "StudyID": ["1", "01", "", "*"],
    "OtherPatientIDs": ["X", "X\\Y", "Y\\Z\\X", ""],
}
ASKED = {
    "PatientName": [
        "doe*",
        "doe^john",
        "*jane",
        "山田*",
        "müller^eva",
        "m",
        "a[b]*",
        "a[b]?c",
        "?oe^john",
        "Doe^John^",
        "Yamada^Tarou=山田^太郎",
        "Yamada^Tarou==",
        "Yamada^Tarou=山田^花子",
        "yamada*太郎",
    ],
    "PatientID": ["P1", "P*", "?1", "50%", "it's", "a\\b", "P1\\P12"],
    "StudyDate": ["20200101", "20200101-20200630", "-20200601", "20201231-"],
    "StudyTime": ["10", "1030", "10-11", "-1030", "2300-"],
    "StudyID": ["1", "01", "?", "*"],
    "OtherPatientIDs": ["X", "Z", "X\\Q", "?", "X*Y", "?*X"],
}


@given(st.data())
def test_a_search_finds_what_the_criterion_matches(data: st.DataObject) -> None:
    keyword = data.draw(st.sampled_from(sorted(VALUES)))
    values = data.draw(st.lists(st.sampled_from(VALUES[keyword]) | st.text(max_size=6), min_size=1, max_size=6))
    asked = data.draw(st.sampled_from(ASKED[keyword]) | st.text(max_size=6))
    try:
        query = parse_query(Level.STUDY, {keyword: asked})
    except BadRequest:
        return
    index = LocalIndex(None)
    put(index, *(record(number, **{keyword: value}) for number, value in enumerate(values)))
    expected = [f"1.{number}" for number, value in enumerate(values) if matches(query, keyword, value)]
    assert [result["0020000D"]["Value"][0] for result in index.search(query, URL)] == expected
    index.close()


def matches(query: Any, keyword: str, value: str) -> bool:
    attribute = BY_KEYWORD[keyword]
    parts = value.split("\\") if attribute.is_multiple or attribute.vr in ("PN", "DA", "TM") else [value]
    keys = [key_of(attribute.vr, part) for part in parts] if value else []
    if attribute.vr == "PN":
        keys = [group for key in keys for group in key.split("=") if group]
    return all(one.criterion.matches(keys) for one in query.conditions)


def test_numbers_are_compared_as_numbers(index: LocalIndex) -> None:
    put(index, record(1, InstanceNumber="007", Rows=512), record(2, InstanceNumber="70", Rows=513))
    assert found(index, Level.INSTANCE, InstanceNumber=7) == ["1.1.1.1"]
    assert found(index, Level.INSTANCE, Rows="513") == ["1.2.1.1"]


def test_a_number_that_is_none_is_left_out(index: LocalIndex) -> None:
    put(index, record(1, SeriesNumber="1A", InstanceNumber="12"))
    [result] = index.search(parse_query(Level.INSTANCE, {}), URL)
    assert (result["00200011"], result["00200013"]) == ({"vr": "IS"}, {"vr": "IS", "Value": [12]})


def test_a_result_of_all_instances_has_what_is_told_of_its_series_and_study(index: LocalIndex) -> None:
    put(index, record(1, Modality="CT", PatientID="P"))
    for parameters, has_study, has_series in (
        ({}, True, True),
        ({"StudyInstanceUID": "1.1"}, False, True),
        ({"StudyInstanceUID": "1.1", "SeriesInstanceUID": "1.1.1"}, False, False),
    ):
        [result] = index.search(parse_query(Level.INSTANCE, parameters), URL)
        assert ("00100020" in result, "00201208" in result) == (has_study, has_study)
        assert ("00080060" in result, "00201209" in result) == (has_series, has_series)


def test_what_studies_contain_is_computed(index: LocalIndex) -> None:
    other = record(1, Modality="SR", SOPClassUID="1.9")
    both = {**other.values, "SeriesInstanceUID": "1.1.2", "SOPInstanceUID": "1.1.2.1"}
    put(index, record(1, Modality="CT", SOPClassUID="1.8"), Record(both, "1.2", None, None), record(2, Modality="CT"))
    assert found(index, Level.STUDY, ModalitiesInStudy="SR") == ["1.1"]
    assert found(index, Level.STUDY, ModalitiesInStudy="CT,MR") == ["1.1", "1.2"]
    assert found(index, Level.STUDY, ModalitiesInStudy="CT\\SR", multiplevaluematching="true") == ["1.1"]
    assert found(index, Level.STUDY, ModalitiesInStudy="S?") == ["1.1"]
    assert found(index, Level.STUDY, SOPClassesInStudy="1.9") == ["1.1"]
    assert found(index, Level.STUDY, NumberOfStudyRelatedSeries=2) == ["1.1"]
    [study, _] = index.search(parse_query(Level.STUDY, {"includefield": "SOPClassesInStudy"}), URL)
    assert sorted(study["00080061"]["Value"]) == ["CT", "SR"]
    assert sorted(study["00080062"]["Value"]) == ["1.8", "1.9"]
    assert study["00201208"]["Value"] == [2]


def test_a_range_of_dates_and_times_is_one_range(index: LocalIndex) -> None:
    put(index, *(record(n, StudyDate=day, StudyTime=clock) for n, (day, clock) in enumerate(MOMENTS)))
    assert found(index, Level.STUDY, StudyDate="20200101-20200103", StudyTime="12-13") == ["1.1", "1.2", "1.3"]


MOMENTS = [("20200101", "1130"), ("20200101", "12"), ("20200102", "0100"), ("20200103", "1330"), ("20200103", "1401")]


def test_an_empty_value_is_searched(index: LocalIndex) -> None:
    put(index, record(1, StudyID="x"), record(2, StudyID=""), record(3))
    assert found(index, Level.STUDY, StudyID='""', emptyvaluematching="true") == ["1.2", "1.3"]


def test_items_of_a_sequence_are_searched(index: LocalIndex) -> None:
    items = '[{"00400009": {"vr": "SH", "Value": ["A"]}}, {"00400009": {"vr": "SH", "Value": ["B"]}}]'
    put(index, record(1, RequestAttributesSequence=items), record(2))
    name = "RequestAttributesSequence.ScheduledProcedureStepID"
    assert found(index, Level.SERIES, **{name: "B"}) == ["1.1.1"]
    assert found(index, Level.SERIES, **{name: "C*"}) == []
    assert found(index, Level.SERIES, **{name: '""', "emptyvaluematching": "true"}) == ["1.2.1"]


def test_one_series_may_be_in_two_studies(index: LocalIndex) -> None:
    values = {"SeriesInstanceUID": "9", "SOPInstanceUID": "9.1"}
    put(index, *(Record({**record(n).values, **values}, "1.2", None, None) for n in (1, 2)))
    assert found(index, Level.SERIES) == ["9", "9"]
    assert [str(one.path) for one in index.find("1.2", "9", "9.1")] == ["studies/1.2/series/9/instances/9.1"]


def test_more_instances_than_are_read_at_once_are_found(index: LocalIndex) -> None:
    put(index, *(Record({**record(1).values, "SOPInstanceUID": f"2.{n}"}, "1.2", None, None) for n in range(1201)))
    assert len(list(index.find("1.1", None, None))) == 1201


def test_a_page_is_the_same_for_every_order_of_paging(index: LocalIndex) -> None:
    put(index, *(record(number, PatientID="P") for number in range(7)))
    pages = [found(index, Level.STUDY, PatientID="P", limit=2, offset=offset) for offset in (0, 2, 4, 6, 8)]
    assert pages == [["1.0", "1.1"], ["1.2", "1.3"], ["1.4", "1.5"], ["1.6"], []]
    assert found(index, Level.STUDY, limit=0) == []


def test_a_name_is_found_by_its_representations_and_a_wildcard_stays_within_one(index: LocalIndex) -> None:
    put(index, record(1, PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう", OtherPatientIDs="A1\\B2"))
    for name, is_there in (
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", True),
        ("yamada^tarou=山田^太郎", True),
        ("=山田^太郎", True),
        ("Yamada^Tarou=山田^花子", False),
        ("Yamada*太郎", False),
    ):
        assert found(index, Level.STUDY, PatientName=name) == ["1.1"][: int(is_there)], name
    assert found(index, Level.STUDY, OtherPatientIDs="A*") == ["1.1"]
    assert found(index, Level.STUDY, OtherPatientIDs="A*2") == []
