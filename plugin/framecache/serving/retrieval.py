"""Retrieve Frames (PS3.18 section 10.4.1.1.6): a request's values in, an answer's values out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Protocol, Self

from framecache.archive.catalogue import Catalogue, Entry
from framecache.cache import block
from framecache.cache.buffers import BufferPool
from framecache.codecs.process.errors import Unwritable
from framecache.dicom.identity import InstancePath, parse_frame_list
from framecache.dicom.instance import Instance
from framecache.dicom.transfer_syntax import (
    EXPLICIT,
    HTJ2K_LOSSLESS,
    LOSSLESS_TARGETS,
    Encoding,
    Representation,
    lookup,
    stored_representation,
)
from framecache.dicomweb import multipart
from framecache.dicomweb.multipart import Layout, Part
from framecache.dicomweb.negotiation import Choice, choose, is_simple
from framecache.dicomweb.public_url import PublicUrl
from framecache.errors import HandOver, InstanceGone, NotAcceptable, NotFound, UnknownInstance
from framecache.metrics import Metrics, MissCause, Outcome, Route
from framecache.ports import Clock
from framecache.serving.frames import DamagedPiece, Form, Frames, OpenFrames, Piece, Transcoded, known_piece

_PATIENCE = 5.0
_TRIES = 3


@dataclass(slots=True)
class FrameRequest:
    """GET …/frames/{list}. Header names are lower case; `accept` is the query parameter, which goes first.

    An empty `frame_list` asks for all frames, as GET …/frames does.
    """

    path: InstancePath
    frame_list: str
    headers: Mapping[str, str]
    accept: str | None = None


@dataclass(slots=True)
class Answer:
    """What goes out, lent for a `with` block: a body of known length, or chunks of a longer one."""

    status: int
    content_type: str
    headers: Mapping[str, str]
    body: memoryview | Iterator[memoryview]
    close: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.close is not None:
            self.close()


class Wanted(Protocol):
    """Who is told that a viewer had to wait for a frame."""

    def wanted(self, entry: Entry, frame_number: int) -> MissCause:
        """Bring the instance into the cache, the frames nearest to this one first. Returns why it is not there."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for, and from how many bytes on an answer is sent in chunks."""

    longest_list: int
    longest_body: int
    cache_control: str


class Responder:
    """What the answers of all retrieve transactions have in common."""

    def __init__(
        self,
        catalogue: Catalogue,
        pool: BufferPool,
        metrics: Metrics,
        clock: Clock,
        limits: Limits,
        route: Route = "frames",
    ) -> None:
        """`route` is what the answers are counted as."""
        self._catalogue, self._pool, self._metrics, self._clock = catalogue, pool, metrics, clock
        self.limits, self._route = limits, route

    def entry(self, path: InstancePath) -> Entry:
        """The instance. Raises UnknownInstance."""
        try:
            return self._catalogue.lookup(path)
        except NotFound as error:
            raise UnknownInstance(str(error)) from error

    def now(self) -> float:
        """Seconds, for `report`."""
        return self._clock.monotonic()

    def lease(self, length: int, stack: ExitStack) -> memoryview:
        """Memory for a body, until `stack` is closed. Raises Overloaded."""
        return stack.enter_context(self._pool.lease(length, _PATIENCE))

    def lease_alone(self, length: int) -> tuple[memoryview, Callable[[], None]]:
        """The same for an answer that opens nothing else, and what gives it back. Raises Overloaded."""
        lease = self._pool.lease(length, _PATIENCE)
        return lease.__enter__(), lease.close

    def headers(self, entity_tag: str) -> dict[str, str]:
        """What goes with every answer, 304 included (RFC 9110 section 15.4.5)."""
        return {"ETag": entity_tag, "Cache-Control": self.limits.cache_control, "Vary": "Accept"}

    def report(self, *, missed: MissCause | None, started: float) -> dict[str, str]:
        """What tells how the answer was found, and counts it; `missed` says why the cache did not have it."""
        if missed is not None:
            self._metrics.missed(missed)
        outcome: Outcome = "miss" if missed else "hit"
        return _found(outcome, self.took(outcome, started))

    def took(self, outcome: Outcome, started: float) -> float:
        """Count an answer, and return the seconds that it took."""
        seconds = self.now() - started
        self._metrics.served(self._route, outcome, seconds)
        return seconds

    def not_modified(self, headers: Mapping[str, str], started: float) -> Answer:
        """304."""
        return Answer(304, "", {**headers, **_found("hit", self.took("not_modified", started))}, memoryview(b""))

    def attempt(self, make: Callable[[ExitStack], Answer]) -> Answer:
        """What `make` returns; what it opens stays open until the answer is closed.

        A damaged block is dropped when it is met, so that the next try finds the frame elsewhere.
        """
        for _ in range(_TRIES):
            opened = ExitStack()
            try:
                answer = make(opened)
            except DamagedPiece:
                opened.close()
            except BaseException:
                opened.close()
                raise
            else:
                answer.close = opened.close
                return answer
        raise HandOver("the cached frames are damaged")


class Retrieval:
    """Answers frame requests from the cache, else from the stored file, else from a codec."""

    def __init__(
        self,
        responder: Responder,
        frames: Frames,
        wanted: Wanted,
        public_url: PublicUrl,
        has_small_form: Callable[[Instance], bool],
    ) -> None:
        """`has_small_form` says whether HTJ2K lossless is kept of an instance beside the stored form."""
        self._has_small_form = has_small_form
        self._responder, self._frames, self._wanted, self._public_url = responder, frames, wanted, public_url
        # Viewers send the same Accept with each of their requests.
        self._negotiate = lru_cache(1024)(self._negotiate_anew)

    def answer(self, request: FrameRequest) -> Answer:
        """The answer to `request`.

        Raises BadRequest, NotFound (the frame), NotAcceptable, BrokenPixelData, Overloaded; HandOver where the stock
        plugin is to be asked.
        """
        try:
            return self._answer(request)
        except (HandOver, InstanceGone) as error:
            if request.frame_list or not (isinstance(error, InstanceGone) or isinstance(error.__cause__, InstanceGone)):
                raise
        return self._answer(request)  # all frames have no second spelling: those that are there now, or 404

    def _answer(self, request: FrameRequest) -> Answer:
        started = self._responder.now()
        numbers = (
            parse_frame_list(request.frame_list, self._responder.limits.longest_list) if request.frame_list else ()
        )
        entry = self._responder.entry(request.path)
        accept = request.accept or request.headers.get("accept")
        small = self._cached_small_form(entry, numbers)
        unwritable: frozenset[Representation] = frozenset()
        while True:
            choice = self._negotiate(entry.instance.transfer_syntax_uid, accept, small, len(numbers), unwritable)
            headers = self._responder.headers(_entity_tag(entry, choice, request.frame_list, len(numbers)))
            if is_known(headers["ETag"], request.headers.get("if-none-match")) and _exist(entry, numbers):
                return self._responder.not_modified(headers, started)
            prepared = _Prepared(request, entry, choice, numbers, headers)
            if len(numbers) == 1 and (answer := self._known_frame(prepared, started)):
                return answer
            try:
                return self._responder.attempt(partial(self._body, prepared, started))
            except Unwritable:  # the next best that is acceptable
                unwritable |= {choice.representation}

    def _known_frame(self, prepared: _Prepared, started: float) -> Answer | None:
        """One frame that is cached or indexed: what viewers mostly ask for, so that only its body is set up here.

        None where it is not, or damaged.
        """
        representation = prepared.choice.representation
        piece = known_piece(prepared.entry, representation.transfer_syntax_uid, prepared.numbers[0])
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
        first = frames.piece(form, numbers[0])
        if self._is_too_long(first.length * len(numbers), numbers):
            return self._stream(prepared, frames, form, numbers, first, started)
        pieces = [first, *(frames.piece(form, number) for number in numbers[1:])]
        layout = self._lay_out(prepared, pieces)
        if self._is_too_long(layout.length, numbers):  # the first frame may be blank, and say nothing of the others
            return self._stream(prepared, frames, form, numbers, first, started)
        body = self._responder.lease(layout.length, stack)
        layout.write_around(body)
        for index, (piece, offset) in enumerate(zip(pieces, layout.frame_offsets, strict=True)):
            with body[offset : offset + piece.length] as target:
                pieces[index] = self._read(frames, form, piece, target)
        missed = self._note_misses(prepared.entry, frames, form, pieces)
        report = self._responder.report(missed=missed, started=started)
        return Answer(200, layout.content_type, {**prepared.headers, **report}, body)

    def _is_too_long(self, length: int, numbers: Sequence[int]) -> bool:
        """Whether a body has to be sent frame by frame; one frame alone is always sent whole."""
        return len(numbers) > 1 and length > self._responder.limits.longest_body

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

    def _cached_small_form(self, entry: Entry, numbers: Sequence[int]) -> str | None:
        """The form that the site's rules want for slow lines, as soon as it is there: `*` then gets it."""
        is_there = bool(numbers) and all((HTJ2K_LOSSLESS, number) in entry.blocks for number in numbers)
        return HTJ2K_LOSSLESS if is_there and self._has_small_form(entry.instance) else None

    def _negotiate_anew(
        self,
        transfer_syntax_uid: str,
        accept: str | None,
        preferred: str | None,
        frames_asked_for: int,
        unwritable: frozenset[Representation],
    ) -> Choice:
        """`frames_asked_for` is 0 for all of them, which the stock plugin sends nowhere."""
        available = available_representations(transfer_syntax_uid, can_transcode=self._frames.can_transcode)
        if preferred is not None:
            available.insert(0, Representation(preferred))
        writable = [representation for representation in available if representation not in unwritable]
        try:
            return choose(accept, writable, several=frames_asked_for != 1)
        except NotAcceptable as error:
            stock_may = is_simple(accept) or (frames_asked_for == 1 and not self._frames.can_transcode)
            if frames_asked_for and not unwritable and stock_may:
                raise HandOver("the frame is asked for in a form that only the stock plugin may have") from error
            raise


@dataclass(slots=True)
class _Prepared:
    """A request whose instance and representation are decided."""

    request: FrameRequest
    entry: Entry
    choice: Choice
    numbers: Sequence[int]
    headers: Mapping[str, str]


def available_representations(transfer_syntax_uid: str, *, can_transcode: bool) -> list[Representation]:
    """What a frame stored in this transfer syntax can be had as: what is stored first, then what is cheap.

    Raises NotAcceptable for video, HandOver for transfer syntaxes that nobody here knows.
    """
    syntax = lookup(transfer_syntax_uid)
    if syntax.encoding is Encoding.VIDEO:
        raise NotAcceptable("this instance is a video: it is one stream and has no frames", ("application/dicom",))
    if syntax.encoding is Encoding.UNKNOWN:
        raise HandOver("the transfer syntax is not known")
    stored = stored_representation(transfer_syntax_uid)
    available = [stored] if stored else []
    if can_transcode:
        available += [EXPLICIT] if stored != EXPLICIT else []
        available += LOSSLESS_TARGETS if syntax.encoding is Encoding.NATIVE else []
    return available


def _entity_tag(entry: Entry, choice: Choice, frame_list: str, frames_asked_for: int) -> str:
    """Strong (RFC 9110 section 8.8.3): the attachment's UUID changes whenever the stored bytes do, and a body is made
    of nothing but them, the representation, the shape and the list."""
    shape = "m" if choice.multipart else "s"
    which = frame_list if frames_asked_for == 1 else f"{block.checksum(frame_list.encode()):016x}"
    return f'"{entry.instance.attachment_uuid}-{choice.representation.transfer_syntax_uid}-{shape}-{which}"'


def is_known(entity_tag: str, if_none_match: str | None) -> bool:
    """RFC 9110 section 13.1.2, with weak comparison: proxies that compress make strong tags weak."""
    if not if_none_match:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or entity_tag in tags


def _found(outcome: str, seconds: float) -> dict[str, str]:
    return {"X-Frame-Cache": outcome, "Server-Timing": f"cache;desc={outcome};dur={seconds * 1000:.2f}"}


def _exist(entry: Entry, numbers: Sequence[int]) -> bool:
    return max(numbers, default=1) <= entry.instance.number_of_frames
