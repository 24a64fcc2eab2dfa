"""What a frame may be asked for as, and what makes it so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from framecache.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT, Representation


class Codecs(Protocol):
    """Makes other forms of one frame; `header` is the stored file up to its pixel data element."""

    def transcode(
        self, header: bytes, frame: bytes | memoryview, frame_number: int, target_transfer_syntax_uid: str
    ) -> bytes:
        """The frame in another transfer syntax."""

    def render(
        self, header: bytes, frame: bytes | memoryview, frame_number: int, parameters: Mapping[str, object]
    ) -> bytes:
        """The frame as a picture."""


class Form(Protocol):
    """What a frame is asked for as."""

    @property
    def key(self) -> str:
        """Its name in the store: letters, digits, dots and dashes."""

    @property
    def content_type(self) -> str:
        """The media type of the bytes, with its parameters."""

    def make(self, codecs: Codecs, header: bytes, frame: bytes | memoryview, frame_number: int) -> bytes:
        """This form of a stored frame."""


@dataclass(frozen=True)
class Transcoded:
    """A frame in a transfer syntax, stored or not."""

    representation: Representation

    @cached_property
    def key(self) -> str:
        """The pixels of both little endians are the same bytes: only the data set around them differs (PS3.5 7.1)."""
        return EXPLICIT_VR_LITTLE_ENDIAN if self.representation == IMPLICIT else self.representation.transfer_syntax_uid

    @cached_property
    def content_type(self) -> str:
        return self.representation.content_type

    def make(self, codecs: Codecs, header: bytes, frame: bytes | memoryview, frame_number: int) -> bytes:
        return codecs.transcode(header, frame, frame_number, self.key)
