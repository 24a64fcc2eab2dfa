"""The form of Orthanc's own identifiers."""

from __future__ import annotations

import re

_ORTHANC_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


def is_orthanc_id(text: str) -> bool:
    """Whether `text` has the form of Orthanc's resource IDs (a SHA-1 in five groups)."""
    return _ORTHANC_ID.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    """Whether `text` has the form of an attachment's UUID, which becomes a file name."""
    return _UUID.fullmatch(text) is not None
