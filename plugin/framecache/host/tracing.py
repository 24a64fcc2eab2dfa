"""What Orthanc's threads tell of requests and instances, where OpenTelemetry's environment asks for traces."""
# ruff: noqa: N802 - the names are Orthanc's

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from framecache.admin.checks import Findings, check_tracing
from framecache.dispatcher import Dispatcher
from framecache.orthanc.events import InstanceStored
from framecache.ports import Clock, RestOutput
from framecache.prefetch.events import ExtractionStateChanged, InstanceDone
from framecache.serving.route import SENTINEL
from framecache.telemetry.tracing.exporter import Exporter, protocol_error, wants_traces
from framecache.telemetry.tracing.records import ExtractionRecord, FinishedRecord, Journal, RequestRecord, StoredRecord

logger = logging.getLogger(__name__)

_OK = 200
# Of a path and of each header that is kept: more than any that is well-formed, as clients write what they like.
_LONGEST = 512


def trace(environment: Mapping[str, str], python: str, findings: Findings) -> Tracing | None:
    """None where nothing asks for traces, or they cannot be had in the form that is asked for."""
    if not wants_traces(environment):
        return None
    error = protocol_error(environment)
    findings.note(check_tracing(error))
    return None if error else Tracing(python, findings)


class Tracing:
    """Writes the journal. What is told on Orthanc's threads returns at once."""

    def __init__(self, python: str, findings: Findings, clock: Clock = time) -> None:
        self._clock, self._findings, self._journal = clock, findings, Journal()
        self._courier = Exporter(self._journal, python, clock, self._ready)
        self.missed = self._journal.missed
        self.start, self.stop, self.join = self._courier.start, self._courier.stop, self._courier.join

    def watched(self, route: Callable[..., None]) -> Callable[..., None]:
        """`route`, with a note of each request."""
        journal, now = self._journal, self._clock.monotonic

        def answer(output: RestOutput, uri: str, **request: Any) -> None:
            if request["groups"][0] == SENTINEL.study_instance_uid:
                route(output, uri, **request)
                return
            began, watched = now(), _Output(output, now)
            try:
                route(watched, uri, **request)
            finally:
                told, headers = watched, request["headers"]
                journal.note(
                    RequestRecord(
                        request["method"],
                        uri[:_LONGEST],
                        request["groups"] if len(uri) <= _LONGEST else [],
                        headers.get("traceparent", "")[:_LONGEST],
                        headers.get("tracestate", "")[:_LONGEST],
                        began,
                        told.sending,
                        now(),
                        told.status,
                        told.length,
                        told.found,
                        journal.cause(),
                    )
                )

        return answer

    def subscribe(self, dispatcher: Dispatcher) -> None:
        """Note what becomes of instances from now on."""
        dispatcher.subscribe(InstanceStored, self._stored)
        dispatcher.subscribe(ExtractionStateChanged, self._extracted)
        dispatcher.subscribe(InstanceDone, lambda event: self._journal.note(FinishedRecord(event.orthanc_id)))

    def _stored(self, event: InstanceStored) -> None:
        self._journal.note(StoredRecord(event.orthanc_id, self._clock.monotonic()))

    def _extracted(self, event: ExtractionStateChanged) -> None:
        """What gave way or begins anew goes on waiting."""
        work, state = event.task, event.state
        if state.state == "queued":
            return
        path = work.entry.instance.path if work.entry else None
        self._journal.note(
            ExtractionRecord(
                work.orthanc_id,
                [path.study_instance_uid, path.series_instance_uid, path.sop_instance_uid] if path else [],
                work.queued,
                work.since,
                self._clock.monotonic(),
                work.priority.name.lower(),
                work.form_key,
                state.state,
                state.error,
                state.frames,
                state.size,
            )
        )

    def _ready(self, error: str | None) -> None:
        check = check_tracing(error)
        self._findings.note(check)
        if not check.passed:
            logger.error(check.advice)


class _Output:
    """Orthanc's side of an answer, and what goes through it."""

    __slots__ = ("_now", "_output", "found", "length", "sending", "status")

    def __init__(self, output: RestOutput, now: Callable[[], float]) -> None:
        self._output, self._now = output, now
        self.found: str | None = None
        self.status: int | None = None
        self.length: int | None = None
        self.sending: float | None = None

    def AnswerBuffer(self, content: bytes | bytearray | memoryview, content_type: str, /) -> None:
        self.status, self.length, self.sending = _OK, len(content), self._now()
        self._output.AnswerBuffer(content, content_type)

    def SendHttpStatus(self, status: int, body: bytes, /) -> None:
        self.status, self.length, self.sending = status, len(body), self._now()
        self._output.SendHttpStatus(status, body)

    def SendMethodNotAllowed(self, allowed: str, /) -> None:
        self.status = 405
        self._output.SendMethodNotAllowed(allowed)

    def StartStreamAnswer(self, content_type: str, /) -> None:
        self.status, self.length, self.sending = _OK, 0, self._now()
        self._output.StartStreamAnswer(content_type)

    def SendStreamChunk(self, content: bytes | bytearray | memoryview, /) -> None:
        self._output.SendStreamChunk(content)
        self.length = (self.length or 0) + len(content)

    def SetHttpHeader(self, name: str, value: str, /) -> None:
        if name == "X-Frame-Cache":
            self.found = value
        self._output.SetHttpHeader(name, value)
