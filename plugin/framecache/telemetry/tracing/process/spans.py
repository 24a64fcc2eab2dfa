"""Makes spans of requests and instances from records, with OpenTelemetry's SDK."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from framecache.bounded_dict import BoundedDict
from framecache.dicom.identity import is_uid
from framecache.ports import Clock
from framecache.telemetry.tracing.records import ExtractionRecord, FinishedRecord, Record, RequestRecord, StoredRecord

Attributes = dict[str, str | int]
# From the machine's monotonic clock to nanoseconds since the epoch.
Wall = Callable[[float], int]

_UIDS = ("dicom.study_instance_uid", "dicom.series_instance_uid", "dicom.sop_instance_uid")


def of_uids(uids: Sequence[str]) -> Attributes:
    """Up to three UIDs, study first."""
    return dict(zip(_UIDS, uids, strict=False))


@dataclass(slots=True)
class _Instance:
    """An instance with work left."""

    stored: float | None = None
    extractions: list[ExtractionRecord] = field(default_factory=list)


class Instances:
    """Collects the records of an instance until it has no work left.

    Instances that the rules exclude have no other record than that they were stored: the oldest are forgotten.
    """

    def __init__(self, tracer: Tracer, most: int) -> None:
        self._tracer, self._open = tracer, BoundedDict[str, _Instance](most)

    def stored(self, event: StoredRecord) -> None:
        """Orthanc reported the instance."""
        self._known(event.orthanc_id).stored = event.at

    def extracted(self, extraction: ExtractionRecord) -> None:
        """One form of the instance was extracted, or failed."""
        self._known(extraction.orthanc_id).extractions.append(extraction)

    def finished(self, orthanc_id: str, wall: Wall) -> None:
        """Make the trace of the instance, if anything was extracted."""
        instance = self._open.pop(orthanc_id, None)
        if instance is not None and instance.extractions:
            self._trace(instance, wall)

    def _known(self, orthanc_id: str) -> _Instance:
        if orthanc_id not in self._open:
            self._open[orthanc_id] = _Instance()
        return self._open[orthanc_id]

    def _trace(self, instance: _Instance, wall: Wall) -> None:
        """The time of storing is unknown if another Orthanc stored it, or this one before its restart."""
        first, last = instance.extractions[0], instance.extractions[-1]
        stored = instance.stored if instance.stored is not None and instance.stored <= first.queued else None
        begin = wall(first.queued if stored is None else stored)
        root = self._tracer.start_span("instance", Context(), attributes=_of_instance(last), start_time=begin)
        parent = set_span_in_context(root, Context())
        if stored is not None:
            self._tracer.start_span("stored", parent, start_time=wall(stored)).end(wall(first.queued))
        for extraction in instance.extractions:
            self._stages(extraction, parent, wall)
        if last.state == "failed":
            root.set_status(StatusCode.ERROR)
        root.end(wall(last.ended))

    def _stages(self, extraction: ExtractionRecord, parent: Context, wall: Wall) -> None:
        """The spans for waiting and extraction of one form."""
        waited: Attributes = {"frame_cache.priority": extraction.priority}
        queued = self._tracer.start_span("queued", parent, attributes=waited, start_time=wall(extraction.queued))
        queued.end(wall(extraction.began))
        span = self._tracer.start_span(
            "extracted", parent, attributes=_of_work(extraction), start_time=wall(extraction.began)
        )
        if extraction.state == "failed":
            span.set_status(StatusCode.ERROR, extraction.error)
        span.end(wall(extraction.ended))


def _of_instance(last: ExtractionRecord) -> Attributes:
    return {"orthanc.instance_id": last.orthanc_id, "frame_cache.state": last.state, **of_uids(last.uids)}


def _of_work(extraction: ExtractionRecord) -> Attributes:
    """`form` is a transfer syntax UID."""
    attributes: Attributes = {
        "frame_cache.state": extraction.state,
        "frame_cache.frames": extraction.frames,
        "frame_cache.bytes": extraction.length,
    }
    if extraction.form:
        attributes["frame_cache.form"] = extraction.form
    if extraction.error and extraction.state != "failed":
        attributes["frame_cache.reason"] = extraction.error
    return attributes


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
    """The kind of the request: frames, rendered, thumbnail or instance."""
    *_, before, last = path.split("/")
    if last in _PICTURES:
        return last
    return "frames" if "frames" in (before, last) else "instance"


def _attributes(request: RequestRecord) -> Attributes:
    """The attributes of a request. Text in the path that is not a UID may be anything, and is not exported."""
    attributes: Attributes = {"http.request.method": request.method}
    if request.groups and all(is_uid(group) or group in _PICTURES for group in request.groups[:3]):
        attributes |= {"url.path": request.path, **of_uids([group for group in request.groups[:3] if is_uid(group)])}
    values = {
        "http.response.status_code": request.status,
        "http.response.body.size": request.length,
        "frame_cache.outcome": _outcome(request),
        "frame_cache.miss_cause": request.cause,
    }
    return attributes | {name: value for name, value in values.items() if value is not None}


def _outcome(request: RequestRecord) -> str | None:
    """The outcome as in the metrics, or `handed_over` for requests that the stock plugin answers."""
    if request.status == _NOT_MODIFIED:
        return "not_modified"
    if request.found == "bypass":
        return "handed_over" if request.status == _TEMPORARY_REDIRECT else "core"
    return request.found


_NAME = "framecache"
_SECOND = 10**9  # nanoseconds


class Spans:
    """Turns records into spans."""

    def __init__(self, tracer: Tracer, clock: Clock = time, *, most_instances: int = 100_000) -> None:
        """Of `most_instances` at most it remembers what was sent."""
        self._clock, self._requests, self._instances = clock, Requests(tracer), Instances(tracer, most_instances)

    def add(self, record: Record) -> None:
        """Process the next record."""
        match record:
            case RequestRecord():
                self._requests.answered(record, self._wall())
            case StoredRecord():
                self._instances.stored(record)
            case ExtractionRecord():
                self._instances.extracted(record)
            case FinishedRecord():
                self._instances.finished(record.orthanc_id, self._wall())

    def _wall(self) -> Wall:
        """One conversion for all times of a trace, as the wall clock may be set meanwhile."""
        shift = round((self._clock.time() - self._clock.monotonic()) * _SECOND)
        return lambda monotonic: shift + round(monotonic * _SECOND)


@contextmanager
def spans(exporter: SpanExporter | None = None, *, node: str = "") -> Iterator[Spans]:
    """Spans that are sent in the background, by OTLP or `exporter`; the rest is sent at the end.

    They come from the Orthanc `node`, unless the environment says otherwise.
    """
    provider = TracerProvider(resource=_resource(node), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
    try:
        yield Spans(provider.get_tracer(_NAME))
    finally:
        provider.shutdown()


def _resource(node: str) -> Resource:
    """What the environment says wins: the SDK's own default for the name would hide ours."""
    usual = {SERVICE_NAME: _NAME, SERVICE_INSTANCE_ID: node} if node else {SERVICE_NAME: _NAME}
    return Resource.create({**usual, **OTELResourceDetector().detect().attributes})
