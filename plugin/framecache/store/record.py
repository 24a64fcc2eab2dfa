"""The record of an instance, as far as a store reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self

from framecache.dicom.identity import InstancePath
from framecache.dicom.transfer_syntax import EXPLICIT, stored_representation
from framecache.errors import BadRequest
from framecache.store.errors import StoreError


class UnreadableRecord(StoreError):
    """This is not the record of an instance."""


@dataclass(frozen=True, slots=True)
class Record:
    """Which instance it is, and in which version. A record is a JSON object and may have more members.

    `study_id` and `series_id` are Orthanc's IDs, or "" where they are unknown.
    """

    path: InstancePath
    orthanc_id: str
    attachment_uuid: str
    transfer_syntax_uid: str
    number_of_frames: int
    study_id: str
    series_id: str

    @property
    def first_representation(self) -> str:
        """The representation that viewers are sent first: the stored one, else Explicit VR Little Endian."""
        return (stored_representation(self.transfer_syntax_uid) or EXPLICIT).transfer_syntax_uid

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Raises UnreadableRecord."""
        try:
            members = json.loads(content)
            return cls(
                InstancePath(**members["path"]),
                str(members["orthanc_id"]),
                str(members["attachment_uuid"]),
                str(members["transfer_syntax_uid"]),
                int(members["number_of_frames"]),
                str(members.get("study_id", "")),
                str(members.get("series_id", "")),
            )
        except (BadRequest, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UnreadableRecord("the record of an instance cannot be read") from error
