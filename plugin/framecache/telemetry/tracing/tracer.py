"""Records requests on Orthanc's threads, if OpenTelemetry's environment enables traces."""
# ruff: noqa: N802 - the names are Orthanc's

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from framecache.ports import Clock, RestOutput
from framecache.telemetry.tracing.exporter import Exporter
from framecache.telemetry.tracing.records import Journal, RequestRecord

_OK = 200
# The limit for a path and for each recorded header: longer than any valid one, as clients may send anything.
_LONGEST = 512


class Tracer:
    """Records requests in the journal, and exports it. Recording on Orthanc's threads returns at once."""

    def __init__(
        self,
        python: str,
        on_ready: Callable[[str | None], None],
        ignored_study: str = "",
        node: str = "",
        clock: Clock = time,
    ) -> None:
        """`on_ready` receives the reason why no traces can be sent, or None if they can.

        Requests for the study `ignored_study` are the plugin's own. `node` names this Orthanc in traces.
        """
        self._clock, self._ignored_study, self.journal = clock, ignored_study, Journal()
        exporter = Exporter(self.journal, python, clock, on_ready, node=node)
        self.start, self.stop, self.join = exporter.start, exporter.stop, exporter.join

    def watched(self, route: Callable[..., None]) -> Callable[..., None]:
        """`route`, with a record of each request."""
        journal, now = self.journal, self._clock.monotonic

        def answer(output: RestOutput, uri: str, **request: Any) -> None:
            if request["groups"][0] == self._ignored_study:
                route(output, uri, **request)
                return
            began, watched = now(), _Output(output, now)
            try:
                route(watched, uri, **request)
            finally:
                headers = request["headers"]
                journal.note(
                    RequestRecord(
                        request["method"],
                        uri[:_LONGEST],
                        request["groups"] if len(uri) <= _LONGEST else [],
                        headers.get("traceparent", "")[:_LONGEST],
                        headers.get("tracestate", "")[:_LONGEST],
                        began,
                        watched.sending,
                        now(),
                        watched.status,
                        watched.length,
                        watched.found,
                        journal.cause(),
                    )
                )

        return answer


class _Output:
    """Orthanc's side of an answer, which records status, length, time of sending and X-Frame-Cache."""

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
