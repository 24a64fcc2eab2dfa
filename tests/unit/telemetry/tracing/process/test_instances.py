"""An instance that was cut out is a trace: stored, queued, extracted."""

from __future__ import annotations

from typing import Any

from framecache.telemetry.tracing.records import ExtractionRecord, FinishedRecord, StoredRecord
from opentelemetry.trace import StatusCode

from tests.unit.dicom_files import EXPLICIT, INSTANCE, SERIES, STUDY
from tests.unit.fakes import ORTHANC_ID
from tests.unit.telemetry.tracing.process.spans import spans_of, times, values

UIDS = [STUDY, SERIES, INSTANCE]


def extracted(**fields: Any) -> ExtractionRecord:
    told: dict[str, Any] = {
        "orthanc_id": ORTHANC_ID,
        "uids": UIDS,
        "queued": 2.0,
        "began": 3.0,
        "ended": 5.0,
        "priority": "arrived",
        "form": EXPLICIT,
        "state": "cached",
        "error": None,
        "frames": 3,
        "length": 900,
    }
    return ExtractionRecord(**(told | fields))


def test_an_instance_is_one_trace_with_its_stages_one_after_the_other() -> None:
    spans = spans_of(StoredRecord(ORTHANC_ID, 1.0), extracted(), FinishedRecord(ORTHANC_ID))

    assert [(span.name, *times(span)) for span in spans] == [
        ("stored", 1.0, 2.0),
        ("queued", 2.0, 3.0),
        ("extracted", 3.0, 5.0),
        ("instance", 1.0, 5.0),
    ]
    *stages, root = spans
    assert {span.context.trace_id for span in spans} == {root.context.trace_id}
    assert {span.parent and span.parent.span_id for span in stages} == {root.context.span_id}
    assert root.parent is None
    assert values(root) == {
        "orthanc.instance_id": ORTHANC_ID,
        "frame_cache.state": "cached",
        "dicom.study_instance_uid": STUDY,
        "dicom.series_instance_uid": SERIES,
        "dicom.sop_instance_uid": INSTANCE,
    }
    assert values(spans[1]) == {"frame_cache.priority": "arrived"}
    assert values(spans[2]) == {
        "frame_cache.state": "cached",
        "frame_cache.frames": 3,
        "frame_cache.bytes": 900,
        "frame_cache.form": EXPLICIT,
    }


def test_each_form_has_its_stages_in_the_same_trace() -> None:
    small = extracted(queued=5.0, began=7.0, ended=9.0, form="1.2.840.10008.1.2.4.201")
    spans = spans_of(extracted(), small, FinishedRecord(ORTHANC_ID))

    assert [(span.name, *times(span)) for span in spans] == [
        ("queued", 2.0, 3.0),
        ("extracted", 3.0, 5.0),
        ("queued", 5.0, 7.0),
        ("extracted", 7.0, 9.0),
        ("instance", 2.0, 9.0),
    ]


def test_what_was_stored_anew_while_it_was_queued_has_no_such_stage() -> None:
    spans = spans_of(StoredRecord(ORTHANC_ID, 2.5), extracted(), FinishedRecord(ORTHANC_ID))

    assert [span.name for span in spans] == ["queued", "extracted", "instance"]


def test_what_failed_is_an_error_with_its_reason() -> None:
    failure = extracted(state="failed", error="the pixel data ends too early", form="", uids=[], frames=0, length=0)
    _, work, root = spans_of(failure, FinishedRecord(ORTHANC_ID))

    assert (work.status.status_code, work.status.description) == (StatusCode.ERROR, "the pixel data ends too early")
    assert (root.status.status_code, values(root)["frame_cache.state"]) == (StatusCode.ERROR, "failed")


def test_what_was_skipped_says_why_and_is_no_error() -> None:
    _, work, root = spans_of(extracted(state="skipped", error="a video has no frames"), FinishedRecord(ORTHANC_ID))

    assert values(work)["frame_cache.reason"] == "a video has no frames"
    assert {work.status.status_code, root.status.status_code} == {StatusCode.UNSET}


def test_of_an_instance_that_nothing_was_done_for_there_is_no_trace() -> None:
    assert not spans_of(StoredRecord(ORTHANC_ID, 1.0), FinishedRecord(ORTHANC_ID))
    assert not spans_of(FinishedRecord(ORTHANC_ID))
    assert not spans_of(StoredRecord(ORTHANC_ID, 1.0), extracted())


def test_those_that_are_never_finished_are_forgotten() -> None:
    stored = [StoredRecord(name, 1.0) for name in "abc"]
    done = [record for name in "cba" for record in (extracted(orthanc_id=name), FinishedRecord(name))]
    spans = spans_of(*stored, *done, most_instances=2)
    traces = {span.context.trace_id: values(span)["orthanc.instance_id"] for span in spans if span.name == "instance"}

    assert list(traces.values()) == ["c", "b", "a"]
    assert [traces[span.context.trace_id] for span in spans if span.name == "stored"] == ["c", "b"]
