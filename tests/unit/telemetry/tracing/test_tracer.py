"""What is noted of requests."""

from __future__ import annotations

from typing import Any

import pytest
from framecache.ports import RestOutput
from framecache.telemetry.tracing.records import Record, RequestRecord
from framecache.telemetry.tracing.tracer import Tracer

from tests.unit.fakes import FakeClock, FakeOutput

GROUPS = ["1.2", "1.3", "1.4", "1"]


@pytest.fixture
def tracer() -> Tracer:
    return Tracer("python3", lambda _: None, "0.0", clock=FakeClock(7.0))


def ask(tracer: Tracer, route: Any, output: FakeOutput | None = None, **request: Any) -> list[Record]:
    """What is noted of a request that `route` answers."""
    told = {"method": "GET", "groups": GROUPS, "get": {}, "headers": {}, **request}
    tracer.watched(route)(output or FakeOutput(), "/uri", **told)
    return tracer.journal.take()


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
def test_a_request_is_noted_as_it_was_answered(tracer: Tracer, route: Any, told: tuple[Any, ...]) -> None:
    (record,) = ask(tracer, route)

    assert isinstance(record, RequestRecord)
    assert (record.status, record.length, record.found) == told
    assert (record.method, record.path, record.groups, record.began, record.ended) == ("GET", "/uri", GROUPS, 7.0, 7.0)


def test_the_answer_itself_is_as_without_tracing(tracer: Tracer) -> None:
    output = FakeOutput()
    ask(tracer, hit, output)

    assert (output.status, output.body, output.headers) == (200, b"four", {"ETag": "x", "X-Frame-Cache": "hit"})


def test_the_client_s_trace_and_the_cause_of_a_miss_are_noted_with_their_request(tracer: Tracer) -> None:
    def miss(output: RestOutput, uri: str, **request: Any) -> None:
        tracer.journal.missed("evicted")
        hit(output, uri, **request)

    headers = {"traceparent": "00-1-2-01", "tracestate": "a=1", "authorization": "Basic secret"}
    (first,), (second,) = ask(tracer, miss, headers=headers), ask(tracer, hit)

    assert isinstance(first, RequestRecord)
    assert isinstance(second, RequestRecord)
    assert (first.traceparent, first.tracestate, first.cause, second.cause) == ("00-1-2-01", "a=1", "evicted", None)
    assert "secret" not in str(first)


def test_of_what_a_client_writes_only_a_reasonable_length_is_kept(tracer: Tracer) -> None:
    long = "1" * 100_000
    tracer.watched(hit)(
        FakeOutput(), long, method="GET", groups=[long], headers={"traceparent": long, "tracestate": long}
    )

    assert len(str(tracer.journal.take())) < 3000


def test_a_request_that_breaks_is_noted_and_goes_on_breaking(tracer: Tracer) -> None:
    def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        ask(tracer, breaks)
    (record,) = tracer.journal.take()
    assert isinstance(record, RequestRecord)
    assert record.status is None


def test_the_start_up_test_is_no_request(tracer: Tracer) -> None:
    assert not ask(tracer, hit, groups=["0.0"] * 3)
