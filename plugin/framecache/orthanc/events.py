"""Events from Orthanc's OnChange callback. Orthanc calls it one event at a time: subscribers must return at once."""

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
