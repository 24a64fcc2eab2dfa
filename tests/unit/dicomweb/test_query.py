"""The parameters of a search become values, or are refused; none is passed over."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, time
from typing import Any

import pytest
from framecache.dicomweb.attributes import Level
from framecache.dicomweb.matching import AllOf, Empty, OneOf, Range, Similar, Wildcard
from framecache.dicomweb.query import Query, parse_query
from framecache.errors import BadRequest
from hypothesis import given
from hypothesis import strategies as st


def asked(query: Query) -> dict[str, Any]:
    return {".".join(part.keyword for part in one.path): one.criterion for one in query.conditions}


@pytest.mark.parametrize(
    ("level", "parameters", "expected"),
    [
        (Level.STUDY, {"PatientID": "P1"}, {"PatientID": OneOf(("P1",))}),
        (Level.STUDY, {"00100020": "P1"}, {"PatientID": OneOf(("P1",))}),
        (Level.STUDY, {"0020000d": ["1.2", "1.3"]}, {"StudyInstanceUID": OneOf(("1.2", "1.3"))}),
        (Level.STUDY, {"ModalitiesInStudy": "CT"}, {"ModalitiesInStudy": OneOf(("CT",))}),
        (Level.STUDY, {"PatientID": ""}, {}),
        (Level.STUDY, {"StudyDate": date(2020, 1, 2)}, {"StudyDate": OneOf(("20200102",))}),
        (Level.STUDY, {"StudyTime": time(10, 30)}, {"StudyTime": OneOf(("103000.000000",))}),
        (
            Level.SERIES,
            {"PatientName": "D*", "Modality": "CT"},
            {"PatientName": Wildcard("d*"), "Modality": OneOf(("CT",))},
        ),
        (Level.SERIES, {"SeriesNumber": 7}, {"SeriesNumber": OneOf(("7",))}),
        (
            Level.SERIES,
            {"RequestAttributesSequence.ScheduledProcedureStepID": "S1"},
            {"RequestAttributesSequence.ScheduledProcedureStepID": OneOf(("S1",))},
        ),
        (Level.SERIES, {"00400275.00401001": "R1"}, {"RequestAttributesSequence.RequestedProcedureID": OneOf(("R1",))}),
        (
            Level.INSTANCE,
            {"AcquisitionDateTime": datetime(2020, 1, 2, 3, 4, 5)},
            {"AcquisitionDateTime": OneOf(("20200102030405.000000",))},
        ),
        (Level.STUDY, {"PatientName": "smith", "fuzzymatching": "true"}, {"PatientName": Similar(("smith",))}),
        (Level.STUDY, {"PatientName": "sm*", "fuzzymatching": True}, {"PatientName": Wildcard("sm*")}),
        (Level.STUDY, {"StudyID": '""', "emptyvaluematching": "true"}, {"StudyID": Empty()}),
        (
            Level.STUDY,
            {"ModalitiesInStudy": "CT\\PT", "multiplevaluematching": "true"},
            {"ModalitiesInStudy": AllOf(("CT", "PT"))},
        ),
        (
            Level.STUDY,
            {"StudyDate": "20200101-20200102", "StudyTime": "1000-1200"},
            {"StudyDate.StudyTime": Range("20200101100000.000000", "20200102120059.999999")},
        ),
        (
            Level.STUDY,
            {"StudyDate": "20200101-", "StudyTime": "10"},
            {"StudyDate": Range("20200101", "99999999"), "StudyTime": OneOf(("100000.000000",))},
        ),
    ],
)
def test_parameters_become_conditions(level: Level, parameters: dict[str, Any], expected: dict[str, Any]) -> None:
    assert asked(parse_query(level, parameters)) == expected


@pytest.mark.parametrize(
    ("level", "parameters"),
    [
        (Level.STUDY, {"Modality": "CT"}),  # of a lower level
        (Level.STUDY, {"SeriesNumber": "1"}),
        (Level.SERIES, {"SOPClassUID": "1.2"}),
        (Level.STUDY, {"Nonsense": "1"}),
        (Level.STUDY, {"00091001": "1"}),
        (Level.INSTANCE, {"PixelData": "1"}),
        (Level.INSTANCE, {"AvailableTransferSyntaxUID": "1.2"}),
        (Level.SERIES, {"RequestAttributesSequence": "1"}),
        (Level.SERIES, {"RequestAttributesSequence.PatientID": "1"}),
        (Level.SERIES, {"RequestAttributesSequence.00400009.00400009": "1"}),
        (Level.STUDY, {"PatientID.PatientID": "1"}),
        (Level.STUDY, {"PatientID": {"a": 1}.items}),
        (Level.STUDY, {"fuzzymatching": "maybe"}),
        (Level.STUDY, {"limit": "-1"}),
        (Level.STUDY, {"limit": "many"}),
        (Level.STUDY, {"limit": "9" * 5000}),
        (Level.STUDY, {"offset": 1.5}),
        (Level.STUDY, {"includefield": 7}),
    ],
)
def test_what_cannot_be_searched_is_refused(level: Level, parameters: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        parse_query(level, parameters)


def test_a_search_below_a_study_and_series_has_their_uids() -> None:
    found = parse_query(Level.INSTANCE, {}, study_instance_uid="1.2", series_instance_uid="1.3")
    assert asked(found) == {"StudyInstanceUID": OneOf(("1.2",)), "SeriesInstanceUID": OneOf(("1.3",))}


def test_a_search_below_a_study_for_another_study_finds_neither() -> None:
    found = parse_query(Level.SERIES, {"StudyInstanceUID": "1.9"}, study_instance_uid="1.2")
    assert [one.criterion for one in found.conditions] == [OneOf(("1.9",)), OneOf(("1.2",))]


@pytest.mark.parametrize(
    ("fields", "expected", "has_all"),
    [
        ("PatientComments,00081030", ("PatientComments", "00081030"), False),
        (["PatientComments", "00081030", "PatientComments"], ("PatientComments", "00081030"), False),
        ("all", (), True),
        (["all", "StudyID"], ("StudyID",), True),
        ([], (), False),
    ],
)
def test_more_fields_are_wanted(fields: Any, expected: tuple[str, ...], has_all: bool) -> None:  # noqa: FBT001
    found = parse_query(Level.STUDY, {"includefield": fields})
    assert (found.fields, found.has_all_fields) == (expected, has_all)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=4))
def test_any_parameters_are_a_query_or_refused(parameters: dict[str, str]) -> None:
    with suppress(BadRequest):
        parse_query(Level.INSTANCE, parameters)
