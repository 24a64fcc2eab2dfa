"""What is noted of instances for traces."""

from __future__ import annotations

from framecache.dispatcher import Dispatcher
from framecache.orthanc.events import InstanceStored
from framecache.prefetch.events import ExtractionStateChanged, InstanceDone
from framecache.prefetch.extraction_states import ExtractionState
from framecache.prefetch.task import Priority, Task, Ticket
from framecache.prefetch.tracing import trace_instances
from framecache.telemetry.tracing.records import ExtractionRecord, FinishedRecord, Journal, StoredRecord

from tests.unit.fakes import ORTHANC_ID, FakeClock


def test_an_instance_is_noted_from_its_event_to_the_end_of_all_work() -> None:
    task = Task(Ticket(Priority.ARRIVED_HIGH, 0, 1, 3.0, 0, ORTHANC_ID), 4.0, form_key="form")
    dispatcher, journal = Dispatcher(), Journal()
    trace_instances(dispatcher, journal, FakeClock(7.0))
    for event in (
        InstanceStored(ORTHANC_ID),
        ExtractionStateChanged(task, ExtractionState("queued")),
        ExtractionStateChanged(task, ExtractionState("failed", "no room", 1.0, frames=2, size=10)),
        InstanceDone(ORTHANC_ID),
    ):
        dispatcher.publish(event)

    assert journal.take() == [
        StoredRecord(ORTHANC_ID, 7.0),
        ExtractionRecord(ORTHANC_ID, [], 3.0, 4.0, 7.0, "arrived_high", "form", "failed", "no room", 2, 10),
        FinishedRecord(ORTHANC_ID),
    ]
