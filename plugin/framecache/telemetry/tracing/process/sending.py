"""The SDK, set up by the environment alone; importing this is what needs the extra."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer

from framecache.ports import Clock
from framecache.telemetry.tracing.process.attributes import Wall
from framecache.telemetry.tracing.process.instances import Instances
from framecache.telemetry.tracing.process.requests import Requests
from framecache.telemetry.tracing.records import ExtractionRecord, FinishedRecord, Record, RequestRecord, StoredRecord

_NAME = "framecache"
_SECOND = 10**9  # nanoseconds


class Spans:
    """Records in, spans out."""

    def __init__(self, tracer: Tracer, clock: Clock = time) -> None:
        self._clock, self._requests, self._instances = clock, Requests(tracer), Instances(tracer)

    def add(self, record: Record) -> None:
        """Take the next record."""
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
        """One for all times of a trace: the clock on the wall may be set meanwhile."""
        shift = round((self._clock.time() - self._clock.monotonic()) * _SECOND)
        return lambda monotonic: shift + round(monotonic * _SECOND)


@contextmanager
def spans() -> Iterator[Spans]:
    """Where spans are made and sent in the background; what is left is sent at the end."""
    named = SERVICE_NAME in OTELResourceDetector().detect().attributes
    provider = TracerProvider(resource=Resource.create({} if named else {SERVICE_NAME: _NAME}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield Spans(provider.get_tracer(_NAME))
    finally:
        provider.shutdown()
