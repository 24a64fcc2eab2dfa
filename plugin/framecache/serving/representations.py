"""Which form of a frame a request gets (PS3.18 section 8.7): of what can be had, what is best and acceptable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

from framecache.codecs.same_stream import kept_as
from framecache.codecs.targets import HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, available_representations
from framecache.dicom.transfer_syntax import (
    Encoding,
    Representation,
    lookup,
    stored_representation,
)
from framecache.dicomweb.negotiation import choose
from framecache.errors import NotAcceptable
from framecache.instances.entry import Entry


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


_WHOLE_FILE = 'multipart/related; type="application/dicom"; transfer-syntax=*'
# Viewers show the first of these while it comes; the second is what caches of earlier versions hold.
_SMALL_FORMS = (HTJ2K_LOSSLESS_RPCL, HTJ2K_LOSSLESS)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is sent: a form, in parts or as a single part."""

    form: Transcoded
    multipart: bool


class Representations:
    """Chooses one for each request."""

    def __init__(self, *, can_transcode: bool, wildcard_is_stored: bool = False) -> None:
        """Who accepts anything gets the default of PS3.18 section 8.7.8, or what is stored if `wildcard_is_stored`."""
        self._can_transcode, self._wildcard_is_stored = can_transcode, wildcard_is_stored
        # Viewers send the same Accept with each of their requests.
        self._choose = lru_cache(1024)(self._choose_anew)

    def choose(
        self,
        entry: Entry,
        accept: str | None,
        numbers: Sequence[int],
        refused: frozenset[Form] = frozenset(),
    ) -> Selection:
        """What these frames, or all where there are no `numbers`, are sent as; none of the forms that are `refused`.

        Raises BadRequest, NotAcceptable.
        """
        small = self._cached_small_form(entry, numbers)
        return self._choose(entry.instance.transfer_syntax_uid, accept, small, len(numbers) != 1, refused)

    def _cached_small_form(self, entry: Entry, numbers: Sequence[int]) -> str | None:
        """The form that the site's rules want for slow lines, as soon as it is there: `*` then gets it."""
        if not entry.treatment.has_small_form or not numbers:
            return None
        blocks = entry.blocks
        kept = (form for form in _SMALL_FORMS if all((form, number) in blocks for number in numbers))
        return next(kept, None)

    def _choose_anew(
        self,
        transfer_syntax_uid: str,
        accept: str | None,
        preferred: str | None,
        several: bool,  # noqa: FBT001 - as a cache's key it has to be given by its place
        refused: frozenset[Form],
    ) -> Selection:
        if lookup(transfer_syntax_uid).encoding is Encoding.UNKNOWN:
            # Nobody can tell where its frames are, and in what byte order. The stock plugin answers 500.
            raise NotAcceptable("the transfer syntax is not known: only the whole file can be had", (_WHOLE_FILE,))
        available = available_representations(transfer_syntax_uid, can_transcode=self._can_transcode)
        forms = {one: Transcoded.of(transfer_syntax_uid, one) for one in available}
        if preferred is not None:
            small = Representation(preferred)
            forms.pop(small, None)
            forms = {small: Transcoded(small, preferred), **forms}
        writable = [representation for representation, form in forms.items() if form not in refused]
        choice = choose(accept, writable, several=several, wildcard_is_stored=self._wildcard_is_stored)
        return Selection(forms[choice.representation], choice.multipart)
