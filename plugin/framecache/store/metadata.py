"""The metadata of one version of an instance, as a store keeps it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Self

#: Raise it whenever the same stored file gives other metadata than before: what was kept is made anew, and entity tags
#: begin with it.
METADATA_VERSION = 1
# A header takes as long to be written as JSON as to be deflated three times; nine makes it hardly smaller than three.
_LEVEL = 3


@dataclass(frozen=True, slots=True)
class InstanceMetadata:
    """DICOM JSON, deflated. `length` is that of the text, in bytes."""

    orthanc_id: str
    attachment_uuid: str
    length: int
    content: bytes

    @classmethod
    def pack(cls, orthanc_id: str, attachment_uuid: str, text: bytes) -> Self:
        """Of this text."""
        return cls(orthanc_id, attachment_uuid, len(text), zlib.compress(text, _LEVEL))

    def text(self) -> bytes:
        """The text."""
        return zlib.decompress(self.content, bufsize=self.length)
