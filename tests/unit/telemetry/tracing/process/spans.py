"""Spans that are kept instead of sent."""

from __future__ import annotations

from collections.abc import Sequence

from framecache.telemetry.tracing.process.spans import Spans
from framecache.telemetry.tracing.records import Record
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import DEFAULT_ON

# The clock on the wall is so far ahead of the monotonic one.
SHIFT = 1_700_000_000


class ShiftedClock:
    """Two clocks that do not agree."""

    def time(self) -> float:
        return SHIFT + 50.0

    def monotonic(self) -> float:
        return 50.0


def spans_of(*records: Record, **bounds: int) -> Sequence[ReadableSpan]:
    """What is made of `records`, in the order in which the spans end."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(sampler=DEFAULT_ON, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans = Spans(provider.get_tracer("test"), ShiftedClock(), **bounds)
    for record in records:
        spans.add(record)
    return exporter.get_finished_spans()


def times(span: ReadableSpan) -> tuple[float, float]:
    """Begin and end on the monotonic clock."""
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time / 1e9 - SHIFT, span.end_time / 1e9 - SHIFT


def values(span: ReadableSpan) -> dict[str, object]:
    """The attributes."""
    return dict(span.attributes or {})
