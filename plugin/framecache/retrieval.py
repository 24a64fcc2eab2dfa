"""Retrieve Frames (PS3.18 section 10.4.1.1.6): a request's values in, an answer's values out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from framecache import block, multipart
from framecache.block import BrokenBlock
from framecache.buffers import BufferPool
from framecache.catalogue import CachedBlock, Catalogue, Entry
from framecache.errors import HandOver, InstanceGone, NotAcceptable, NotFound
from framecache.identity import InstancePath, parse_frame_list
from framecache.metrics import Metrics
from framecache.multipart import Layout, Part
from framecache.negotiation import Choice, choose
from framecache.ports import Clock
from framecache.public_url import PublicUrl
from framecache.sources import FrameSource, Sources
from framecache.transfer_syntax import stored_representation

_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """GET …/frames/{list}. Header names are lower case; `accept` is the query parameter, which goes first."""

    path: InstancePath
    frame_list: str
    headers: Mapping[str, str]
    accept: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out; `body` is lent until the `with` block ends."""

    status: int
    content_type: str
    body: memoryview
    headers: Mapping[str, str] = field(default_factory=dict)


class Wanted(Protocol):
    """Who is told that a viewer had to wait for a frame."""

    def wanted(self, entry: Entry, frame_number: int) -> None:
        """Bring the instance into the cache, the frames nearest to this one first."""


class Retrieval:
    """Answers frame requests from the cache, else from the stored file."""

    def __init__(
        self,
        catalogue: Catalogue,
        sources: Sources,
        pool: BufferPool,
        filler: Wanted,
        metrics: Metrics,
        clock: Clock,
        public_url: PublicUrl,
        longest_list: int,
    ) -> None:
        self._catalogue, self._sources, self._pool, self._filler = catalogue, sources, pool, filler
        self._metrics, self._clock, self._public_url, self._longest_list = metrics, clock, public_url, longest_list

    @contextmanager
    def answer(self, request: FrameRequest) -> Iterator[Answer]:
        """The answer to `request`.

        Raises BadRequest, NotFound (the frame), Overloaded; HandOver where the stock plugin is to be asked.
        """
        started = self._clock.monotonic()
        numbers = parse_frame_list(request.frame_list, self._longest_list)
        entry = self._entry(request.path)
        choice = self._choose(entry, request, single=len(numbers) == 1)
        headers = {
            "ETag": _entity_tag(entry, choice, request.frame_list),
            "Cache-Control": "private, no-cache",
            "Vary": "Accept",
        }
        if _is_known(headers["ETag"], request.headers.get("if-none-match")) and _exist(entry, numbers):
            self._metrics.count("not_modified")
            yield Answer(304, "", memoryview(b""), {**headers, **self._report("hit", started)})
            return
        with ExitStack() as stack:
            frames = self._frames(entry, choice, numbers, stack)
            location = f"{self._public_url.base(request.headers)}{request.path}/frames/"
            parts = [Part(f"{location}{f.number}", f.length) for f in frames]
            layout = _lay_out(choice, parts)
            body = stack.enter_context(self._pool.lease(layout.length, _PATIENCE))
            outcome = self._read(entry, frames, layout, body)
            yield Answer(200, layout.content_type, body, {**headers, **self._report(outcome, started)})

    def _entry(self, path: InstancePath) -> Entry:
        try:
            return self._catalogue.lookup(path)
        except NotFound as error:
            raise HandOver(str(error)) from error

    def _choose(self, entry: Entry, request: FrameRequest, *, single: bool) -> Choice:
        stored = stored_representation(entry.instance.transfer_syntax_uid)
        if stored is None:
            raise HandOver("frames of this transfer syntax are not sent as they are stored")
        try:
            choice = choose(request.accept or request.headers.get("accept"), [stored])
        except NotAcceptable as error:
            raise HandOver("the frame has to be transcoded") from error
        if not (choice.multipart or single):
            raise HandOver("several frames do not fit into a single part")
        return choice

    def _frames(self, entry: Entry, choice: Choice, numbers: Sequence[int], stack: ExitStack) -> list[_Frame]:
        representation = choice.representation.transfer_syntax_uid
        source = _LazySource(self._sources, entry, stack)
        return [self._frame(entry, source, representation, number) for number in numbers]

    def _frame(self, entry: Entry, source: _LazySource, representation: str, number: int) -> _Frame:
        cached = entry.blocks.get((representation, number))
        if cached is not None:
            try:
                located = cached.frame(number)
                if located is not None:
                    return _Frame(number, located.length, cached, source)
            except BrokenBlock:
                self._drop(entry, cached)
        opened = source.open()
        if number > opened.number_of_frames:
            raise NotFound(f"there is no frame {number}: the instance has {opened.number_of_frames} frames")
        return _Frame(number, opened.frame_length(number - 1), None, source)

    def _read(self, entry: Entry, frames: Sequence[_Frame], layout: Layout, body: memoryview) -> str:
        layout.write_around(body)
        missed = []
        for frame, offset in zip(frames, layout.frame_offsets, strict=True):
            with body[offset : offset + frame.length] as target:
                if not self._read_cached(entry, frame, target):
                    frame.source.read(frame.number - 1, target)
                    missed.append(frame.number)
        for number in missed[:1]:
            self._filler.wanted(entry, number)
        return "miss" if missed else "hit"

    def _read_cached(self, entry: Entry, frame: _Frame, target: memoryview) -> bool:
        if frame.cached is None:
            return False
        try:
            located = frame.cached.frame(frame.number)
            if located is None:
                return False
            block.read_frame(frame.cached.row.path, located, target)
        except BrokenBlock:
            self._drop(entry, frame.cached)
            return False
        return True

    def _drop(self, entry: Entry, cached: CachedBlock) -> None:
        """Forget a block that was evicted meanwhile, or is damaged."""
        entry.drop(cached.row)
        self._metrics.count("damaged_blocks")

    def _report(self, outcome: str, started: float) -> dict[str, str]:
        self._metrics.count("hits" if outcome == "hit" else "misses")
        milliseconds = (self._clock.monotonic() - started) * 1000
        return {"X-Frame-Cache": outcome, "Server-Timing": f"cache;desc={outcome};dur={milliseconds:.2f}"}


class _LazySource:
    """The stored instance, opened when the first frame is not in the cache."""

    def __init__(self, sources: Sources, entry: Entry, stack: ExitStack) -> None:
        self._sources, self._entry, self._stack = sources, entry, stack
        self._opened: FrameSource | None = None

    def open(self) -> FrameSource:
        if self._opened is None:
            try:
                self._opened = self._stack.enter_context(self._sources.open(self._entry))
            except InstanceGone as error:
                raise HandOver("the instance was deleted or replaced meanwhile") from error
        return self._opened

    def read(self, frame_index: int, target: memoryview) -> None:
        source = self.open()
        if source.frame_length(frame_index) != len(target):
            raise HandOver("the frame has another length than the cache said")
        source.read_frame(frame_index, target)


@dataclass(frozen=True, slots=True)
class _Frame:
    number: int
    length: int
    cached: CachedBlock | None
    source: _LazySource


def _lay_out(choice: Choice, parts: Sequence[Part]) -> Layout:
    if choice.multipart:
        return multipart.lay_out(choice.representation, parts)
    return multipart.single_part(choice.representation, parts[0])


def _entity_tag(entry: Entry, choice: Choice, frame_list: str) -> str:
    """Strong (RFC 9110 section 8.8.3): the attachment's UUID changes whenever the stored bytes do, and a body is made
    of nothing but them, the representation, the shape and the list."""
    shape = "m" if choice.multipart else "s"
    digest = f"{block.checksum(frame_list.encode()):016x}"
    return f'"{entry.instance.attachment_uuid}-{choice.representation.transfer_syntax_uid}-{shape}-{digest}"'


def _is_known(entity_tag: str, if_none_match: str | None) -> bool:
    """RFC 9110 section 13.1.2, with weak comparison: proxies that compress make strong tags weak."""
    if not if_none_match:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or entity_tag in tags


def _exist(entry: Entry, numbers: Sequence[int]) -> bool:
    return max(numbers) <= entry.instance.number_of_frames
