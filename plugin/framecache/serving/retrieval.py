"""Retrieve Frames (PS3.18 section 10.4.1.1.6): resolve, negotiate, locate, assemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from framecache.dicom.identity import InstancePath
from framecache.dicom.transfer_syntax import EXPLICIT, IMPLICIT, Encoding, lookup, stored_representation
from framecache.dicomweb.frame_list import parse_frame_list
from framecache.dicomweb.multipart import Multipart
from framecache.dicomweb.url import PublicUrl
from framecache.errors import (
    BrokenPixelData,
    HandOver,
    InstanceGone,
    NestedTooDeeply,
    NoPixelData,
    NotFound,
    SourceError,
)
from framecache.instances.catalogue import Catalogue
from framecache.instances.entry import Entry
from framecache.serving.answer import Answer, Reporter, is_known
from framecache.serving.assembly import Assembly, Delivery
from framecache.serving.recovery import RecoveryLoop
from framecache.serving.representations import Form, Representations, Selection, Transcoded
from framecache.store.block import CONTENT_VERSION, checksum


@dataclass(slots=True)
class FrameRequest:
    """GET …/frames/{list}. Header names are lower case; `accept` is the query parameter, which goes first.

    An empty `frame_list` asks for all frames, as GET …/frames does.
    """

    path: InstancePath
    frame_list: str
    headers: Mapping[str, str]
    accept: str | None = None


class Retrieval:
    """Answers frame requests from the cache, else from the stored file, else by a codec."""

    def __init__(
        self,
        catalogue: Catalogue,
        representations: Representations,
        assembly: Assembly,
        reporter: Reporter,
        public_url: PublicUrl,
    ) -> None:
        self._catalogue, self._representations, self._assembly = catalogue, representations, assembly
        self._reporter, self._public_url, self._recovery = reporter, public_url, RecoveryLoop(catalogue)
        self._multipart = lru_cache(4096)(Multipart)

    def answer(self, request: FrameRequest) -> Answer:
        """The answer to `request`.

        Raises BadRequest, NotFound, NotAcceptable, SourceError, Overloaded; HandOver where the stock plugin is to be
        asked.
        """
        started = self._reporter.now()
        numbers = parse_frame_list(request.frame_list) if request.frame_list else ()
        return self._recovery.answer(request.path, lambda refused: self._attempt(request, numbers, started, refused))

    def _attempt(
        self, request: FrameRequest, numbers: Sequence[int], started: float, refused: frozenset[Form]
    ) -> Answer:
        entry = self._catalogue.lookup(request.path)
        accept = request.accept or request.headers.get("accept")
        selection = self._representations.choose(entry, accept, numbers, refused)
        delivery = self._delivery(request, entry, selection, numbers, started)
        known = request.headers.get("if-none-match")
        if known and is_known(delivery.entity_tag, known) and _exist(entry, numbers):
            return self._reporter.not_modified(delivery.entity_tag, started)
        try:
            return self._assembly.answer(delivery)
        except NoPixelData as error:
            raise NotFound(str(error)) from error
        except (HandOver, SourceError) as error:
            _leave_to_the_stock_plugin(delivery, error)
            raise

    def _delivery(
        self, request: FrameRequest, entry: Entry, selection: Selection, numbers: Sequence[int], started: float
    ) -> Delivery:
        form, uuid = selection.form, entry.instance.attachment_uuid
        multipart = self._multipart(form.content_type, uuid) if selection.multipart else None
        location = f"{self._public_url.base(request.headers)}{request.path}/frames/"
        which = request.frame_list if len(numbers) == 1 else f"{checksum(request.frame_list.encode()):016x}"
        # Strong (RFC 9110 section 8.8.3): the attachment's UUID changes whenever the stored bytes do, and a body is
        # made of nothing but them, our way to make it, the representation, the shape and the list.
        shape = "m" if selection.multipart else "s"
        entity_tag = f'"{CONTENT_VERSION}-{uuid}-{form.representation.transfer_syntax_uid}-{shape}-{which}"'
        return Delivery(entry, form, numbers, multipart, location, "", entity_tag, started)


def _leave_to_the_stock_plugin(delivery: Delivery, error: HandOver | SourceError) -> None:
    """Raises HandOver where what could not be read here may be read there, and nothing has to be decoded for it.

    The stock plugin's decoders can end the server on an HTTP thread's small stack; it knows no more of broken pixel
    data; and all frames at once it has nowhere. Raises SourceError instead of a HandOver that may not be.
    """
    if isinstance(error, BrokenPixelData | InstanceGone | NestedTooDeeply):
        return
    if delivery.numbers and _is_sent_as_stored(delivery.entry, delivery.form):
        raise HandOver(str(error)) from error
    if isinstance(error, HandOver):
        raise SourceError(str(error)) from error


def _is_sent_as_stored(entry: Entry, form: Form) -> bool:
    syntax, asked = entry.instance.transfer_syntax_uid, form.representation if isinstance(form, Transcoded) else None
    if lookup(syntax).encoding is Encoding.NATIVE:
        return asked in (EXPLICIT, IMPLICIT)
    return asked == stored_representation(syntax)


def _exist(entry: Entry, numbers: Sequence[int]) -> bool:
    return max(numbers, default=1) <= entry.instance.number_of_frames
