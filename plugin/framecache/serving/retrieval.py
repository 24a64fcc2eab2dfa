"""Retrieve Frames (PS3.18 section 10.4.1.1.6): a request's values in, an answer's values out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from framecache.codecs.process.errors import CodecUnavailable, Unwritable
from framecache.dicom.identity import InstancePath, parse_frame_list
from framecache.dicom.transfer_syntax import (
    EXPLICIT,
    IMPLICIT,
    Encoding,
    Representation,
    lookup,
    stored_representation,
)
from framecache.dicomweb import multipart
from framecache.dicomweb.multipart import Layout, Part
from framecache.dicomweb.negotiation import Choice
from framecache.dicomweb.public_url import PublicUrl
from framecache.errors import (
    BrokenPixelData,
    FrameCacheError,
    HandOver,
    InstanceGone,
    NestedTooDeeply,
    NoPixelData,
    NotFound,
    SourceError,
)
from framecache.instances.entry import Entry
from framecache.serving.form import Form, Transcoded
from framecache.serving.frames import Frames, OpenFrames
from framecache.serving.piece import DamagedPiece, Piece, known_piece
from framecache.serving.representations import Representations
from framecache.serving.responder import Answer, Responder, Wanted, is_known
from framecache.store.checksum import checksum
from framecache.telemetry.metrics import MissCause


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
    """Answers frame requests from the cache, else from the stored file, else from a codec."""

    def __init__(
        self,
        responder: Responder,
        frames: Frames,
        wanted: Wanted,
        public_url: PublicUrl,
        representations: Representations,
    ) -> None:
        self._responder, self._frames, self._wanted, self._public_url = responder, frames, wanted, public_url
        self._representations = representations

    def answer(self, request: FrameRequest) -> Answer:
        """The answer to `request`.

        Raises BadRequest, NotFound, NotAcceptable, SourceError, Overloaded; HandOver where the stock plugin is to be
        asked.
        """
        return self._responder.settled(partial(self._answer, request), request.path)

    def _answer(self, request: FrameRequest) -> Answer:
        started = self._responder.now()
        numbers = (
            parse_frame_list(request.frame_list, self._responder.limits.longest_list) if request.frame_list else ()
        )
        entry = self._responder.entry(request.path)
        accept = request.accept or request.headers.get("accept")
        unwritable: frozenset[Representation] = frozenset()
        while True:
            choice = self._representations.choose(entry, accept, numbers, unwritable)
            headers = self._responder.headers(_entity_tag(entry, choice, request.frame_list, len(numbers)))
            if is_known(headers["ETag"], request.headers.get("if-none-match")) and _exist(entry, numbers):
                return self._responder.not_modified(headers, started)
            prepared = _Prepared(request, entry, choice, numbers, headers)
            if len(numbers) == 1 and (answer := self._known_frame(prepared, started)):
                return answer
            try:
                return self._responder.attempt(partial(self._body, prepared, started))
            except (Unwritable, CodecUnavailable):  # the next best that is acceptable
                unwritable |= {choice.representation}
            except (HandOver, SourceError) as error:
                raise self._stock_may(prepared, error) from error

    def _stock_may(self, prepared: _Prepared, error: FrameCacheError) -> FrameCacheError:
        """What could not be read here may be read by the stock plugin, as long as it has to decode nothing for it.

        Its decoders can end the server on an HTTP thread's small stack; and it knows no more of broken pixel data.
        """
        if isinstance(error, NoPixelData):
            return NotFound(str(error))
        if isinstance(error, BrokenPixelData | InstanceGone | NestedTooDeeply):
            return error
        is_native = lookup(prepared.entry.instance.transfer_syntax_uid).encoding is Encoding.NATIVE
        asked = prepared.choice.representation
        if prepared.request.frame_list and (asked in (EXPLICIT, IMPLICIT) if is_native else asked == prepared.stored):
            return HandOver(str(error))
        return SourceError(str(error))

    def _known_frame(self, prepared: _Prepared, started: float) -> Answer | None:
        """One frame that is cached or indexed: what viewers mostly ask for, so that only its body is set up here.

        None where it is not, or damaged.
        """
        representation = prepared.choice.representation
        piece = known_piece(prepared.entry, Transcoded(representation).key, prepared.numbers[0])
        if piece is None:
            return None
        content_type, header, closing = self._around(prepared, representation.content_type, piece)
        start, end = len(header), len(header) + piece.length
        body, close = self._responder.lease_alone(end + len(closing))
        try:
            body[:start], body[end:] = header, closing
            with body[start:end] as target:
                piece.read_into(target)
        except DamagedPiece:
            close()
            return None
        except BaseException:
            close()
            raise
        report = self._responder.report(missed=None, started=started)
        return Answer(200, content_type, {**prepared.headers, **report}, body, close)

    def _around(self, prepared: _Prepared, content_type: str, piece: Piece) -> tuple[str, bytes, bytes]:
        """The media type of a body of one frame, and what stands before and behind the frame in it."""
        if not prepared.choice.multipart:
            return content_type, b"", b""
        header = multipart.part_header(content_type, self._part(prepared, piece), first=True)
        return multipart.content_type(content_type), header, multipart.CLOSING

    def _body(self, prepared: _Prepared, started: float, stack: ExitStack) -> Answer:
        frames = self._frames.open(prepared.entry, stack)
        numbers = prepared.numbers or frames.all_numbers()
        form = Transcoded(prepared.choice.representation)
        pieces = self._pieces(frames, form, numbers)
        layout = self._lay_out(prepared, pieces)
        is_too_long = len(pieces) > 1 and layout.length > self._responder.limits.longest_body
        if is_too_long or len(pieces) < len(numbers):  # one frame alone is always sent whole
            return self._stream(prepared, frames, form, numbers, pieces[0], started)
        body = self._responder.lease(layout.length, stack)
        layout.write_around(body)
        for index, (piece, offset) in enumerate(zip(pieces, layout.frame_offsets, strict=True)):
            with body[offset : offset + piece.length] as target:
                pieces[index] = self._read(frames, form, piece, target)
        missed = self._note_misses(prepared.entry, frames, form, pieces)
        report = self._responder.report(missed=missed, started=started)
        return Answer(200, layout.content_type, {**prepared.headers, **report}, body)

    def _pieces(self, frames: OpenFrames, form: Form, numbers: Sequence[int]) -> list[Piece]:
        """Those of `numbers`; fewer as soon as they are too long: what was made of a frame lies in memory already."""
        pieces = [frames.piece(form, numbers[0])]
        length = pieces[0].length * len(numbers)  # the first may be blank, and say nothing of the others
        for number in numbers[1:]:
            if length > self._responder.limits.longest_body:
                break
            pieces.append(frames.piece(form, number))
            length += max(0, pieces[-1].length - pieces[0].length)
        return pieces

    def _stream(
        self,
        prepared: _Prepared,
        frames: OpenFrames,
        form: Form,
        numbers: Sequence[int],
        first: Piece,
        started: float,
    ) -> Answer:
        """Frame by frame: a body that is too long to hold has no length and ends the connection."""
        frames.check_exist(form, numbers)
        chunks = self._chunks(prepared, frames, form, numbers)
        missed = self._note_misses(prepared.entry, frames, form, [first])
        report = self._responder.report(missed=missed, started=started)
        content_type = multipart.content_type(form.content_type)
        return Answer(200, content_type, {**prepared.headers, **report}, chunks)

    def _chunks(
        self, prepared: _Prepared, frames: OpenFrames, form: Form, numbers: Sequence[int]
    ) -> Iterator[memoryview]:
        for index, number in enumerate(numbers):
            piece = frames.piece(form, number)
            header = multipart.part_header(form.content_type, self._part(prepared, piece), first=index == 0)
            with ExitStack() as stack:
                chunk = self._responder.lease(len(header) + piece.length, stack)
                chunk[: len(header)] = header
                with chunk[len(header) :] as target:
                    piece = self._read(frames, form, piece, target)
                yield chunk
            if not piece.is_hit:
                self._wanted.wanted(prepared.entry, number)
        yield memoryview(multipart.CLOSING)

    def _read(self, frames: OpenFrames, form: Form, piece: Piece, target: memoryview) -> Piece:
        """Fill `target` and return where the frame came from: a damaged one is dropped, and then found elsewhere."""
        try:
            piece.read_into(target)
        except DamagedPiece:
            other = frames.piece(form, piece.number)
            if other.length != len(target):
                raise
            other.read_into(target)
            return other
        return piece

    def _lay_out(self, prepared: _Prepared, pieces: Sequence[Piece]) -> Layout:
        parts = [self._part(prepared, piece) for piece in pieces]
        content_type = prepared.choice.representation.content_type
        if prepared.choice.multipart:
            return multipart.lay_out(content_type, parts)
        return multipart.single_part(content_type, parts[0])

    def _part(self, prepared: _Prepared, piece: Piece) -> Part:
        base = self._public_url.base(prepared.request.headers)
        return Part(f"{base}{prepared.request.path}/frames/{piece.number}", piece.length)

    def _note_misses(self, entry: Entry, frames: OpenFrames, form: Form, pieces: Sequence[Piece]) -> MissCause | None:
        """Why the first piece that did not come from the cache did not; None if all came."""
        missed = next((piece for piece in pieces if not piece.is_hit), None)
        if missed is None:
            return None
        return frames.why_missed(form, missed, otherwise=self._wanted.wanted(entry, missed.number))


@dataclass(slots=True)
class _Prepared:
    """A request whose instance and representation are decided."""

    request: FrameRequest
    entry: Entry
    choice: Choice
    numbers: Sequence[int]
    headers: Mapping[str, str]

    @property
    def stored(self) -> Representation | None:
        """What the frames are stored as."""
        return stored_representation(self.entry.instance.transfer_syntax_uid)


def _entity_tag(entry: Entry, choice: Choice, frame_list: str, frames_asked_for: int) -> str:
    """Strong (RFC 9110 section 8.8.3): the attachment's UUID changes whenever the stored bytes do, and a body is made
    of nothing but them, the representation, the shape and the list."""
    shape = "m" if choice.multipart else "s"
    which = frame_list if frames_asked_for == 1 else f"{checksum(frame_list.encode()):016x}"
    return f'"{entry.instance.attachment_uuid}-{choice.representation.transfer_syntax_uid}-{shape}-{which}"'


def _exist(entry: Entry, numbers: Sequence[int]) -> bool:
    return max(numbers, default=1) <= entry.instance.number_of_frames
