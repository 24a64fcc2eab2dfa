"""What has happened while instances are cached ahead of requests. Whoever subscribes returns at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from framecache.instances.entry import Entry
from framecache.orthanc.instance import DescribedInstance
from framecache.prefetch.extraction_states import ExtractionState
from framecache.prefetch.task import Task


@dataclass(frozen=True, slots=True)
class StudyArrived:
    """The first instance of the study with this Orthanc ID is new."""

    study_id: str


@dataclass(frozen=True, slots=True)
class SeriesArrived:
    """The first instance of the series with this Orthanc ID is new."""

    series_id: str


@dataclass(frozen=True, slots=True)
class InstancesLogged:
    """Orthanc's log of changes says that instances with these Orthanc IDs were stored, here or by another Orthanc."""

    orthanc_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class InstancesDescribed:
    """Orthanc has described new instances, whether or not the rules admit them."""

    instances: Sequence[DescribedInstance]


@dataclass(frozen=True, slots=True)
class InstanceOpened:
    """A viewer waited for a frame of an instance that was not cached."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class ExtractionStateChanged:
    """The work on one form of an instance has ended in this state."""

    task: Task
    state: ExtractionState


@dataclass(frozen=True, slots=True)
class StoredFormCached:
    """An instance is cached as it is stored, and only its small form is not."""

    orthanc_id: str


@dataclass(frozen=True, slots=True)
class InstanceDone:
    """Nothing is left to do for an instance: it was cached, left out or withdrawn, or has failed."""

    orthanc_id: str


@dataclass(frozen=True, slots=True)
class CheckpointHasRoom:
    """A full checkpoint has become half empty."""
