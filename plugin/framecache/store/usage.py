"""How much the cache holds of instances and studies, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Order = Literal["LastViewed", "Bytes", "Frames"]


@dataclass(frozen=True, slots=True)
class InstanceUsage:
    """Of one instance: `frames` are those that it has, `cached_frames` those that are held as they are first sent.

    `viewed` is when it was last asked for, in seconds since the epoch; IDs are Orthanc's.
    """

    orthanc_id: str
    study_id: str
    series_id: str
    frames: int
    cached_frames: int
    size: int
    viewed: float | None


@dataclass(frozen=True, slots=True)
class StudyUsage:
    """Of one study: the sums over its instances that anything is held of. `study_id` is Orthanc's, "" if unknown."""

    study_instance_uid: str
    study_id: str
    series: int
    instances: int
    frames: int
    cached_frames: int
    size: int
    viewed: float | None


@dataclass(frozen=True, slots=True)
class TotalUsage:
    """The sums over the whole cache."""

    studies: int = 0
    series: int = 0
    instances: int = 0
    frames: int = 0


@dataclass(frozen=True, slots=True)
class StudyUsagePage:
    """Some of the studies, and how many there are."""

    total: int
    studies: Sequence[StudyUsage]
