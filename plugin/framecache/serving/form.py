"""What a frame may be asked for as, and what makes it so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from framecache.codecs.same_stream import kept_as
from framecache.dicom.transfer_syntax import Representation, stored_representation


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
    """A frame in a transfer syntax, stored or not; `key` is that of the stream, which may have several names."""

    representation: Representation
    key: str

    @classmethod
    def of(cls, stored_transfer_syntax_uid: str, representation: Representation) -> Transcoded:
        """The form of a frame that is stored in this transfer syntax."""
        stored = stored_representation(stored_transfer_syntax_uid)
        key = kept_as(stored.transfer_syntax_uid if stored else "", representation.transfer_syntax_uid)
        return cls(representation, key)

    @cached_property
    def content_type(self) -> str:
        return self.representation.content_type

    def make(self, codecs: Codecs, header: bytes, frame: bytes | memoryview, frame_number: int) -> bytes:
        return codecs.transcode(header, frame, frame_number, self.key)
