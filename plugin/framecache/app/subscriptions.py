"""Who acts on what has happened."""

from __future__ import annotations

from functools import partial

from framecache.app.maintenance import Maintenance
from framecache.app.prefetch import Prefetch
from framecache.app.site import Site
from framecache.maintenance.reconciliation import StaleInstanceFound
from framecache.orthanc.events import InstanceDeleted, InstanceStored
from framecache.plurals import counted
from framecache.prefetch.events import (
    CheckpointHasRoom,
    ExtractionStateChanged,
    InstanceDone,
    InstanceOpened,
    InstancesDescribed,
    InstancesLogged,
    SeriesArrived,
    StoredFormCached,
    StudyArrived,
)
from framecache.prefetch.tracing import trace_instances
from framecache.telemetry.events import Events


def connect(site: Site, prefetch: Prefetch, maintenance: Maintenance) -> None:
    """Who acts on what has happened."""
    subscribe, checkpoint, feed = site.dispatcher.subscribe, prefetch.checkpoint, prefetch.change_feed
    subscribe(InstanceStored, lambda event: feed.arrived(event.orthanc_id))
    subscribe(InstanceDeleted, lambda event: maintenance.invalidation.deleted(event.orthanc_id))
    subscribe(SeriesArrived, lambda event: maintenance.completeness.arrived(event.series_id))
    subscribe(InstancesLogged, lambda event: maintenance.reconciliation.logged(event.orthanc_ids))
    subscribe(StaleInstanceFound, lambda event: maintenance.invalidation.deleted(event.orthanc_id))
    if site.settings.metadata != "off":
        subscribe(InstancesDescribed, lambda event: prefetch.metadata_making.arrived(event.instances))
        subscribe(InstanceDeleted, lambda event: prefetch.metadata_making.deleted(event.orthanc_id))
    subscribe(CheckpointHasRoom, lambda _: feed.read_on())
    subscribe(StudyArrived, lambda event: prefetch.related.study_arrived(event.study_id))
    subscribe(InstanceOpened, lambda event: prefetch.related.opened(event.entry))
    subscribe(StoredFormCached, lambda event: checkpoint.stored_form_cached(event.orthanc_id))
    subscribe(InstanceDone, lambda event: checkpoint.done(event.orthanc_id))
    subscribe(InstanceDone, lambda event: prefetch.backfill.done(event.orthanc_id))
    subscribe(ExtractionStateChanged, partial(_note_state, site.events))
    if site.tracer is not None:
        trace_instances(site.dispatcher, site.tracer.journal, site.clock)


def _note_state(events: Events, event: ExtractionStateChanged) -> None:
    """What the page's list of events has of the work."""
    state, orthanc_id = event.state, event.task.orthanc_id
    if state.state == "cached" and state.frames:  # else all of it was cached before
        text = counted(state.frames, "frame")
        events.note("cached", "instances", orthanc_id, f"{text}; {state.error}" if state.error else text)
    elif state.state == "failed":
        events.note("failed", "instances", orthanc_id, state.error or "")
