"""What is noted of requests and instances."""

from __future__ import annotations

import time
from typing import Any

import pytest
from framecache.admin.checks import Findings
from framecache.dispatcher import Dispatcher
from framecache.host.tracing import Tracing, trace
from framecache.orthanc.events import InstanceStored
from framecache.ports import RestOutput
from framecache.prefetch.events import ExtractionStateChanged, InstanceDone
from framecache.prefetch.extraction_states import ExtractionState
from framecache.prefetch.priority import Priority
from framecache.prefetch.task import Task, Ticket
from framecache.serving.route import SENTINEL
from framecache.telemetry.tracing.records import ExtractionRecord, FinishedRecord, Record, RequestRecord, StoredRecord

from tests.unit.fakes import ORTHANC_ID, FakeClock, FakeLog, FakeOutput

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
GROUPS = ["1.2", "1.3", "1.4", "1"]


@pytest.fixture
def tracing() -> Tracing:
    return Tracing("python3", Findings(), FakeClock(7.0))


def ask(tracing: Tracing, route: Any, output: FakeOutput | None = None, **request: Any) -> list[Record]:
    """What is noted of a request that `route` answers."""
    told = {"method": "GET", "groups": GROUPS, "get": {}, "headers": {}, **request}
    tracing.watched(route)(output or FakeOutput(), "/uri", **told)
    return tracing._journal.take()


def hit(output: RestOutput, _uri: str, **_request: Any) -> None:
    output.SetHttpHeader("ETag", "x")
    output.SetHttpHeader("X-Frame-Cache", "hit")
    output.AnswerBuffer(memoryview(b"four"), "text/plain")


def status(output: RestOutput, _uri: str, **_request: Any) -> None:
    output.SendHttpStatus(404, b"{}")


def chunks(output: RestOutput, _uri: str, **_request: Any) -> None:
    output.StartStreamAnswer("text/plain")
    for chunk in (b"12", b"345"):
        output.SendStreamChunk(chunk)


def refuse(output: RestOutput, _uri: str, **_request: Any) -> None:
    output.SendMethodNotAllowed("GET")


@pytest.mark.parametrize(
    ("route", "told"),
    [(hit, (200, 4, "hit")), (status, (404, 2, None)), (chunks, (200, 5, None)), (refuse, (405, None, None))],
)
def test_a_request_is_noted_as_it_was_answered(tracing: Tracing, route: Any, told: tuple[Any, ...]) -> None:
    (record,) = ask(tracing, route)

    assert isinstance(record, RequestRecord)
    assert (record.status, record.length, record.found) == told
    assert (record.method, record.path, record.groups, record.began, record.ended) == ("GET", "/uri", GROUPS, 7.0, 7.0)


def test_the_answer_itself_is_as_without_tracing(tracing: Tracing) -> None:
    output = FakeOutput()
    ask(tracing, hit, output)

    assert (output.status, output.body, output.headers) == (200, b"four", {"ETag": "x", "X-Frame-Cache": "hit"})


def test_the_client_s_trace_and_the_cause_of_a_miss_are_noted_with_their_request(tracing: Tracing) -> None:
    def miss(output: RestOutput, uri: str, **request: Any) -> None:
        tracing.missed("evicted")
        hit(output, uri, **request)

    headers = {"traceparent": "00-1-2-01", "tracestate": "a=1", "authorization": "Basic secret"}
    (first,), (second,) = ask(tracing, miss, headers=headers), ask(tracing, hit)

    assert isinstance(first, RequestRecord)
    assert isinstance(second, RequestRecord)
    assert (first.traceparent, first.tracestate, first.cause, second.cause) == ("00-1-2-01", "a=1", "evicted", None)
    assert "secret" not in str(first)


def test_of_what_a_client_writes_only_a_reasonable_length_is_kept(tracing: Tracing) -> None:
    long = "1" * 100_000
    tracing.watched(hit)(
        FakeOutput(), long, method="GET", groups=[long], headers={"traceparent": long, "tracestate": long}
    )

    assert len(str(tracing._journal.take())) < 3000


def test_a_request_that_breaks_is_noted_and_goes_on_breaking(tracing: Tracing) -> None:
    def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        ask(tracing, breaks)
    (record,) = tracing._journal.take()
    assert isinstance(record, RequestRecord)
    assert record.status is None


def test_the_start_up_test_is_no_request(tracing: Tracing) -> None:
    assert not ask(tracing, hit, groups=[SENTINEL.study_instance_uid] * 3)


def test_an_instance_is_noted_from_its_event_to_the_end_of_all_work(tracing: Tracing) -> None:
    task = Task(Ticket(Priority.ARRIVED_HIGH, 0, 1, 3.0, 0, ORTHANC_ID), 4.0, form_key="form")
    dispatcher = Dispatcher()
    tracing.subscribe(dispatcher)
    for event in (
        InstanceStored(ORTHANC_ID),
        ExtractionStateChanged(task, ExtractionState("queued")),
        ExtractionStateChanged(task, ExtractionState("failed", "no room", 1.0, frames=2, size=10)),
        InstanceDone(ORTHANC_ID),
    ):
        dispatcher.publish(event)

    assert tracing._journal.take() == [
        StoredRecord(ORTHANC_ID, 7.0),
        ExtractionRecord(ORTHANC_ID, [], 3.0, 4.0, 7.0, "arrived_high", "form", "failed", "no room", 2, 10),
        FinishedRecord(ORTHANC_ID),
    ]


def test_nothing_is_noted_where_nothing_asks_for_traces() -> None:
    findings = Findings()

    assert trace({}, "python3", findings) is None
    assert findings.checks == []


def test_a_protocol_that_is_not_spoken_is_a_failed_check() -> None:
    findings = Findings()

    assert trace({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "python3", findings) is None
    (check,) = findings.failed
    assert "OTEL_EXPORTER_OTLP_PROTOCOL is grpc" in check.advice


def test_a_process_that_cannot_be_started_is_a_failed_check_and_a_line_in_the_log(log: FakeLog) -> None:
    findings = Findings()
    tracing = trace(ENDPOINT, "/nowhere/python3", findings)
    assert tracing is not None
    assert findings.passed("Tracing")
    tracing.start()
    deadline = time.monotonic() + 5
    while not log.lines and time.monotonic() < deadline:
        time.sleep(0.01)

    (check,) = findings.failed
    assert "/nowhere/python3 cannot be started" in check.advice
    assert log.of("error") == [check.advice]
    tracing.stop()
    tracing.join()
