"""What becomes of instances, noted for OpenTelemetry traces."""

from __future__ import annotations

from framecache.dispatcher import Dispatcher
from framecache.orthanc.events import InstanceStored
from framecache.ports import Clock
from framecache.prefetch.events import ExtractionStateChanged, InstanceDone
from framecache.telemetry.tracing.records import ExtractionRecord, FinishedRecord, Journal, StoredRecord


def trace_instances(dispatcher: Dispatcher, journal: Journal, clock: Clock) -> None:
    """Note in `journal` what happens from now on, from an instance's event to the end of all work on it."""

    def note_state(event: ExtractionStateChanged) -> None:
        if event.state.state != "queued":  # what gave way or begins anew goes on waiting
            journal.note(_extraction(event, clock.monotonic()))

    dispatcher.subscribe(InstanceStored, lambda event: journal.note(StoredRecord(event.orthanc_id, clock.monotonic())))
    dispatcher.subscribe(ExtractionStateChanged, note_state)
    dispatcher.subscribe(InstanceDone, lambda event: journal.note(FinishedRecord(event.orthanc_id)))


def _extraction(event: ExtractionStateChanged, now: float) -> ExtractionRecord:
    task, state = event.task, event.state
    path = task.entry.instance.path if task.entry else None
    return ExtractionRecord(
        task.orthanc_id,
        [path.study_instance_uid, path.series_instance_uid, path.sop_instance_uid] if path else [],
        task.queued,
        task.since,
        now,
        task.priority.name.lower(),
        task.form_key,
        state.state,
        state.error,
        state.frames,
        state.size,
    )
