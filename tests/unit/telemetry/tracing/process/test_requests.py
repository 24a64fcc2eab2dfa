"""Each request is a span."""

from __future__ import annotations

from typing import Any

import pytest
from framecache.telemetry.tracing.records import RequestRecord
from opentelemetry.trace import SpanKind, StatusCode

from tests.unit.dicom_files import INSTANCE, SERIES, STUDY
from tests.unit.telemetry.tracing.process.spans import spans_of, times, values

PATH = f"/dicom-web/studies/{STUDY}/series/{SERIES}/instances/{INSTANCE}"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def answered(path: str = f"{PATH}/frames/1", **fields: Any) -> RequestRecord:
    told: dict[str, Any] = {
        "method": "GET",
        "path": path,
        "groups": [STUDY, SERIES, INSTANCE, "1"],
        "traceparent": "",
        "tracestate": "",
        "began": 10.0,
        "sending": 10.25,
        "ended": 11.0,
        "status": 200,
        "length": 1000,
        "found": "hit",
        "cause": None,
    }
    return RequestRecord(**(told | fields))


def test_a_hit_is_a_span_with_its_times_and_uids() -> None:
    (span,) = spans_of(answered())

    assert (span.name, span.kind, span.parent, times(span)) == ("GET frames", SpanKind.SERVER, None, (10.0, 11.0))
    assert [(event.name, event.timestamp - (span.start_time or 0)) for event in span.events] == [
        ("sending", 250_000_000)
    ]
    assert values(span) == {
        "http.request.method": "GET",
        "url.path": f"{PATH}/frames/1",
        "dicom.study_instance_uid": STUDY,
        "dicom.series_instance_uid": SERIES,
        "dicom.sop_instance_uid": INSTANCE,
        "http.response.status_code": 200,
        "http.response.body.size": 1000,
        "frame_cache.outcome": "hit",
    }


@pytest.mark.parametrize(
    ("path", "groups", "name"),
    [
        (f"{PATH}/frames", [STUDY, SERIES, INSTANCE], "GET frames"),
        (f"{PATH}/frames/2,3", [STUDY, SERIES, INSTANCE, "2,3"], "GET frames"),
        (f"{PATH}/frames/2/rendered", [STUDY, SERIES, INSTANCE, "2", "rendered"], "GET rendered"),
        (f"{PATH}/thumbnail", [STUDY, SERIES, INSTANCE, "thumbnail"], "GET thumbnail"),
        (PATH, [STUDY, SERIES, INSTANCE], "GET instance"),
    ],
)
def test_the_name_says_what_was_asked_for(path: str, groups: list[str], name: str) -> None:
    (span,) = spans_of(answered(path, groups=groups))

    assert (span.name, values(span)["dicom.sop_instance_uid"]) == (name, INSTANCE)


def test_a_picture_of_a_series_has_the_uids_of_its_path() -> None:
    path = f"/dicom-web/studies/{STUDY}/series/{SERIES}/rendered"
    (span,) = spans_of(answered(path, groups=[STUDY, SERIES, "rendered"]))

    assert values(span)["url.path"] == path
    assert "dicom.sop_instance_uid" not in values(span)


@pytest.mark.parametrize(
    ("status", "found", "cause", "outcome"),
    [
        (200, "miss", "evicted", "miss"),
        (304, "hit", None, "not_modified"),
        (307, "bypass", None, "handed_over"),
        (200, "bypass", None, "core"),
        (200, "file", None, "file"),
        (404, None, None, None),
        (None, None, None, None),
    ],
)
def test_what_came_of_it(status: int | None, found: str | None, cause: str | None, outcome: str | None) -> None:
    (span,) = spans_of(answered(status=status, found=found, cause=cause))

    told = values(span)
    assert (told.get("frame_cache.outcome"), told.get("frame_cache.miss_cause")) == (outcome, cause)
    assert told.get("http.response.status_code") == status


@pytest.mark.parametrize(("status", "is_error"), [(200, False), (404, False), (500, True), (503, True), (None, True)])
def test_a_fault_of_the_server_is_an_error(status: int | None, *, is_error: bool) -> None:
    (span,) = spans_of(answered(status=status))

    assert (span.status.status_code is StatusCode.ERROR) == is_error


def test_a_client_s_trace_is_continued() -> None:
    (span,) = spans_of(answered(traceparent=f"00-{TRACE}-{PARENT}-01", tracestate="viewer=1"))

    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == PARENT
    assert span.context.trace_state.get("viewer") == "1"


def test_a_client_that_does_not_sample_is_heeded() -> None:
    assert not spans_of(answered(traceparent=f"00-{TRACE}-{PARENT}-00"))


@pytest.mark.parametrize("traceparent", ["", "00", f"00-{'0' * 32}-{PARENT}-01", "x" * 5000])
def test_what_is_no_trace_of_a_client_begins_a_new_one(traceparent: str) -> None:
    (span,) = spans_of(answered(traceparent=traceparent))

    assert span.parent is None


def test_what_a_client_writes_in_the_place_of_uids_is_not_told() -> None:
    (span,) = spans_of(
        answered(f"/dicom-web/studies/DOE^JANE/series/{SERIES}/instances/1/frames/1", groups=["DOE^JANE", SERIES, "1"])
    )

    assert "DOE" not in str(values(span)) + span.name


def test_a_path_that_was_cut_off_is_not_told() -> None:
    (span,) = spans_of(answered("/dicom-web/studies/DOE^JANE", groups=[]))

    assert "url.path" not in values(span)
