"""What Orthanc's OnChange callback tells of instances. Its events wait for each other: subscribers return at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InstanceStored:
    """An instance is new, or was stored again."""

    orthanc_id: str


@dataclass(frozen=True, slots=True)
class InstanceDeleted:
    """An instance was deleted or replaced."""

    orthanc_id: str
