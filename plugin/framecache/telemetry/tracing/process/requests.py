"""A span for each request, continuing the client's trace where it sends one."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from framecache.dicom.identity import is_uid
from framecache.telemetry.tracing.process.attributes import Attributes, Wall, of_uids
from framecache.telemetry.tracing.records import RequestRecord

_PICTURES = ("rendered", "thumbnail")
_NOT_MODIFIED, _TEMPORARY_REDIRECT, _SERVER_ERROR = 304, 307, 500


class Requests:
    """Spans named as `GET frames`."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer, self._propagator = tracer, TraceContextTextMapPropagator()

    def answered(self, request: RequestRecord, wall: Wall) -> None:
        """Make the span of a request."""
        sent = {"traceparent": request.traceparent, "tracestate": request.tracestate}
        span = self._tracer.start_span(
            f"{request.method} {_kind(request.path)}",
            self._propagator.extract({name: value for name, value in sent.items() if value}, Context()),
            SpanKind.SERVER,
            _attributes(request),
            start_time=wall(request.began),
        )
        if request.sending is not None:
            span.add_event("sending", timestamp=wall(request.sending))
        if (request.status or _SERVER_ERROR) >= _SERVER_ERROR:
            span.set_status(StatusCode.ERROR)
        span.end(wall(request.ended))


def _kind(path: str) -> str:
    """What is asked for: frames, rendered, thumbnail or the instance."""
    *_, before, last = path.split("/")
    if last in _PICTURES:
        return last
    return "frames" if "frames" in (before, last) else "instance"


def _attributes(request: RequestRecord) -> Attributes:
    """What a client writes into a path in the place of UIDs may be anything, and is not passed on."""
    told: Attributes = {"http.request.method": request.method}
    if request.groups and all(is_uid(group) or group in _PICTURES for group in request.groups[:3]):
        told |= {"url.path": request.path, **of_uids([group for group in request.groups[:3] if is_uid(group)])}
    values = {
        "http.response.status_code": request.status,
        "http.response.body.size": request.length,
        "frame_cache.outcome": _outcome(request),
        "frame_cache.miss_cause": request.cause,
    }
    return told | {name: value for name, value in values.items() if value is not None}


def _outcome(request: RequestRecord) -> str | None:
    """As the metrics name it, and `handed_over` for what the stock plugin is to answer."""
    if request.status == _NOT_MODIFIED:
        return "not_modified"
    if request.found == "bypass":
        return "handed_over" if request.status == _TEMPORARY_REDIRECT else "core"
    return request.found
