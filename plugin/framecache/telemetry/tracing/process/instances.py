"""A trace for each instance that was cut out: `instance`, with its times as `stored`, `queued` and `extracted`."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from opentelemetry.context import Context
from opentelemetry.trace import StatusCode, Tracer, set_span_in_context

from framecache.telemetry.tracing.process.attributes import Attributes, Wall, of_uids
from framecache.telemetry.tracing.records import ExtractionRecord, StoredRecord

_MOST = 100_000


@dataclass(slots=True)
class _Instance:
    """One that something is left to do for."""

    stored: float | None = None
    extractions: list[ExtractionRecord] = field(default_factory=list)


class Instances:
    """Remembers what is told of an instance until nothing is left to do for it.

    Of one that the rules leave out nothing is told but that it was stored: the oldest are forgotten.
    """

    def __init__(self, tracer: Tracer, most: int = _MOST) -> None:
        self._tracer, self._most = tracer, most
        self._open: OrderedDict[str, _Instance] = OrderedDict()

    def stored(self, event: StoredRecord) -> None:
        """Orthanc told of it."""
        self._known(event.orthanc_id).stored = event.at

    def extracted(self, extraction: ExtractionRecord) -> None:
        """One form of it was cut out, or could not be."""
        self._known(extraction.orthanc_id).extractions.append(extraction)

    def finished(self, orthanc_id: str, wall: Wall) -> None:
        """Make its trace, if anything was done for it."""
        instance = self._open.pop(orthanc_id, None)
        if instance is not None and instance.extractions:
            self._trace(instance, wall)

    def _known(self, orthanc_id: str) -> _Instance:
        if len(self._open) >= self._most and orthanc_id not in self._open:
            self._open.popitem(last=False)
        return self._open.setdefault(orthanc_id, _Instance())

    def _trace(self, instance: _Instance, wall: Wall) -> None:
        """The moment of storing is unknown where another Orthanc did it, or this one before it was started again."""
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
        """Waiting and work of one form."""
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
    told: Attributes = {
        "frame_cache.state": extraction.state,
        "frame_cache.frames": extraction.frames,
        "frame_cache.bytes": extraction.length,
    }
    if extraction.form:
        told["frame_cache.form"] = extraction.form
    if extraction.error and extraction.state != "failed":
        told["frame_cache.reason"] = extraction.error
    return told
