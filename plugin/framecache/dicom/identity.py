"""What names an instance and its frames: UIDs (PS3.5 section 9.1), Orthanc's IDs, frame lists."""

from __future__ import annotations

import re
from dataclasses import dataclass

from framecache.errors import BadRequest

_UID = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)
_ORTHANC_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_LONGEST_UID = 64  # PS3.5 section 9.1
_LARGEST_FRAME_NUMBER = 2**31 - 1  # NumberOfFrames is an IS (PS3.5 section 6.2)


def is_uid(text: str) -> bool:
    """Whether `text` is a UID by PS3.5 9.1, leading zeros let through because archives hold them."""
    return len(text) <= _LONGEST_UID and _UID.fullmatch(text) is not None


def is_orthanc_id(text: str) -> bool:
    """Whether `text` has the form of Orthanc's resource IDs (a SHA-1 in five groups)."""
    return _ORTHANC_ID.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    """Whether `text` has the form of an attachment's UUID, which becomes a file name."""
    return _UUID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class InstancePath:
    """The three UIDs of a DICOMweb instance resource (PS3.18 section 10.1.1)."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str

    def __post_init__(self) -> None:
        for uid in (self.study_instance_uid, self.series_instance_uid, self.sop_instance_uid):
            if not is_uid(uid):
                raise BadRequest("a UID has digits and dots only, and 64 characters at most")

    def __str__(self) -> str:
        """The path below the DICOMweb root, without slashes at its ends."""
        return f"studies/{self.study_instance_uid}/series/{self.series_instance_uid}/instances/{self.sop_instance_uid}"


def parse_frame_list(text: str, longest: int = 10_000) -> tuple[int, ...]:
    """The frame numbers of a request, from 1, in its order (PS3.18 section 10.4.1).

    Duplicates are kept, as the stock plugin answers them.
    Raises BadRequest for empty items, text, zero, and lists of more than `longest` numbers.
    """
    items = text.split(",", longest)
    if len(items) > longest:
        raise BadRequest(f"a frame list has {longest} numbers at most")
    return tuple(map(_frame_number, items))


def _frame_number(item: str) -> int:
    if not (item.isascii() and item.isdigit() and len(item) <= len(str(_LARGEST_FRAME_NUMBER))):
        raise BadRequest("a frame list has whole numbers from 1, separated by commas")
    number = int(item)
    if not 1 <= number <= _LARGEST_FRAME_NUMBER:
        raise BadRequest("frames are numbered from 1")
    return number
