"""Instances that have arrived in a fake Orthanc."""

from __future__ import annotations

from typing import Any

from framecache.dicom.identity import InstancePath

from tests.unit.dicom_files import INSTANCE, STUDY
from tests.unit.fakes import FakeApi, orthanc_id, uuid


def stored(api: FakeApi, number: int, **values: Any) -> str:
    """An instance of two frames in a series of its own."""
    path = InstancePath(STUDY, f"1.2.{number}", f"{INSTANCE}.{number}")
    defaults: dict[str, Any] = {"number_of_frames": 2, "offset": 400}
    return api.store(bytes(1000), orthanc_id=orthanc_id(number), uuid=uuid(number), path=path, **(defaults | values))
