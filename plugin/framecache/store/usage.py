"""How much of instances and studies is cached, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Order = Literal["LastViewed", "Bytes", "Frames"]


@dataclass(frozen=True, slots=True)
class InstanceUsage:
    """One instance: it has `frames`; `cached_frames` are cached in the representation that viewers are sent first.

    `size` is the bytes of its blocks and indexes, `viewed` when it was last viewed (seconds since the epoch).
    IDs are Orthanc's.
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
    """One study: the sums over its instances in the cache. `study_id` is Orthanc's, "" if unknown."""

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
