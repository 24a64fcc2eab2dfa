"""Transcodes and renders frames, one at a time, in helper processes that may crash, hang and be killed.

A thread cannot be stopped, and a crash in a decoder would take the server down.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial

from framecache.codecs.helper_process import HelperProcess
from framecache.codecs.process.errors import CodecCrashed, CodecError, CodecTimeout, CodecUnavailable, Undecodable
from framecache.codecs.process.protocol import Head
from framecache.errors import FrameCacheError, Overloaded, Stopping
from framecache.threads import Desk, start_thread

logger = logging.getLogger(__name__)

__all__ = ["CodecCrashed", "CodecError", "CodecPool", "CodecTimeout", "CodecUnavailable", "Undecodable"]

# A library may leak; a fresh process costs less than a second.
_MOST_USES = 5000
_LONGEST_LINE = 500  # bytes of standard error
_MOST_LINES = 100  # of standard error between two starts of a process


class CodecPool:
    """Up to `processes` helper processes, each with one frame at a time; they start on first use.

    `check` starts the first ahead, and where none is left one that ended is replaced before the next frame comes.
    `memory_limit` is in bytes of address space for each process, `deadline` in seconds for each frame, and as long
    is waited for a process that is free. `niceness` is for frames that nobody waits for.
    """

    def __init__(self, python: str, processes: int, memory_limit: int, deadline: float, niceness: int = 0) -> None:
        self._deadline = deadline
        self._errors, standard_error = os.pipe2(os.O_CLOEXEC)
        self._standard_error = standard_error
        # The kernel ends a process with the thread that started it, and the threads of requests end soon.
        self._desk = Desk("frame-cache-codecs", 1)
        self._start = partial(HelperProcess, python, memory_limit, niceness, standard_error)
        self._free: list[HelperProcess | None] = [None] * processes
        self._busy: set[HelperProcess] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._unavailable: str | None = None
        self._lines_left = _MOST_LINES
        self.counts: Counter[str] = Counter()
        start_thread("frame-cache-codec-log", self._copy_errors)

    def transcode(
        self, header: bytes, frame: bytes | memoryview, frame_number: int, target_transfer_syntax_uid: str
    ) -> bytes:
        """`frame` in another transfer syntax.

        `header` is the stored file up to its pixel data element; with the 12 bytes of that element's head, Big Endian
        of 8 bits in OW is told from OB. Raises Undecodable, CodecTimeout, CodecCrashed, CodecUnavailable, Overloaded,
        Stopping.
        """
        return self._call({"transcode": target_transfer_syntax_uid, "frame_number": frame_number}, header, frame)

    def render(
        self, header: bytes, frame: bytes | memoryview, frame_number: int, parameters: Mapping[str, object]
    ) -> bytes:
        """The picture of `frame` by `parameters`. Raises the errors of `transcode`."""
        return self._call({"render": dict(parameters), "frame_number": frame_number}, header, frame)

    def file_header(
        self, header: bytes, vr: str, target_transfer_syntax_uid: str, length: int, ratio: float | None
    ) -> bytes:
        """The file in another transfer syntax up to its first frame.

        `vr` is that of the stored pixel data, or ""; `length` in bytes is that of all frames where they are native,
        `ratio` how many times smaller a compressed one is. Raises what `transcode` raises.
        """
        asked = {"file_header": target_transfer_syntax_uid, "vr": vr, "length": length, "ratio": ratio}
        return self._call(asked, header, b"")

    def elements(self, header: bytes, elements: bytes, target_transfer_syntax_uid: str) -> bytes:
        """The elements after the pixel data in another transfer syntax. Raises the errors of `transcode`."""
        return self._call({"elements": target_transfer_syntax_uid}, header, elements)

    def whole_file(self, content: bytes, target_transfer_syntax_uid: str) -> bytes:
        """A file in another transfer syntax, without decoding or encoding frames. Raises the errors of `transcode`."""
        return self._call({"whole_file": target_transfer_syntax_uid}, b"", content)

    def check(self) -> None:
        """Start a process if none runs. Raises CodecUnavailable, with what to change, or CodecError."""
        with self._lease():
            pass

    def close(self) -> None:
        """Kill all processes; calls in progress raise Stopping."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            free = [process for process in self._free if process is not None]
            self._free.clear()
            self._changed.notify_all()
            for process in (*free, *self._busy):
                process.kill()
        for process in free:
            process.close()
        self._desk.close()
        os.close(self._standard_error)

    def _call(self, head: Head, header: bytes, frame: bytes | memoryview) -> bytes:
        with self._lease() as process:
            answer = process.call(head, header, frame, self._deadline)
        self.counts["frames"] += 1
        return answer

    @contextlib.contextmanager
    def _lease(self) -> Iterator[HelperProcess]:
        """A process for exclusive use; it is reused unless it failed."""
        process = self._running(self._take())
        try:
            yield process
        except Undecodable:
            self.counts["undecodable"] += 1
            self._give_back(process)
            raise
        except BaseException as error:
            if self._closed:
                self._drop(process)
                raise Stopping from error
            self.counts["timeouts" if isinstance(error, CodecTimeout) else "crashes"] += 1
            logger.warning("replacing a helper process: %s", error)
            self._replace(process)
            raise
        if process.uses < _MOST_USES:
            self._give_back(process)
        else:
            self._replace(process)

    def _take(self) -> HelperProcess | None:
        """A free process, or None if the caller may start one. Raises Overloaded, CodecUnavailable, Stopping."""
        give_up = time.monotonic() + self._deadline
        with self._changed:
            while not self._free or self._unavailable or self._closed:
                if self._closed:
                    raise Stopping
                if self._unavailable:
                    raise CodecUnavailable(self._unavailable)
                if not self._changed.wait(max(0.0, give_up - time.monotonic())) and not self._free:
                    self.counts["overloaded"] += 1
                    raise Overloaded("all helper processes are busy")
            return self._free.pop()

    def _running(self, process: HelperProcess | None) -> HelperProcess:
        try:
            started = process or self._desk.call(self._launch)
        except FrameCacheError as error:
            self._note_failed_start(error)
            if self._closed:
                raise Stopping from error
            raise
        with self._changed:
            if not self._closed:
                self._lines_left = _MOST_LINES if process is None else self._lines_left
                self._busy.add(started)
                return started
        started.kill()
        started.close()
        raise Stopping

    def _launch(self) -> HelperProcess:
        """A new process; `close` may end it before it is ready."""
        if self._closed:
            raise Stopping
        process = self._start()
        with self._changed:
            self._busy.add(process)
            if self._closed:  # while it was started: `close` has not seen it
                process.kill()
        try:
            process.greet()
        except BaseException:
            with self._changed:
                self._busy.discard(process)
            process.kill()
            process.close()
            raise
        return process

    def _note_failed_start(self, error: FrameCacheError) -> None:
        with self._changed:
            if isinstance(error, CodecUnavailable) and self._unavailable is None and not self._closed:
                self._unavailable = str(error)
                logger.error("NOT TRANSCODING: %s", error)
            self._free.insert(0, None)
            self._changed.notify_all()

    def _give_back(self, process: HelperProcess) -> None:
        with self._changed:
            self._busy.discard(process)
            if not self._closed:
                # The last used is the next: its memory is warm, and the others may never start.
                self._free.append(process)
                self._changed.notify()

    def _replace(self, process: HelperProcess) -> None:
        """Replace the process at once: a start takes longer than most frames."""
        self._drop(process)
        start_thread("frame-cache-codec-start", self._start_ahead)

    def _start_ahead(self) -> None:
        """Where no process waits for a frame; one place is left for a frame that comes meanwhile.

        It starts at the priority of requests: an ordinary user's process cannot take niceness back (setpriority(2)).
        """
        with self._changed:
            is_wanted = len(self._free) > 1 and not any(self._free)
        if is_wanted:
            with contextlib.suppress(FrameCacheError):
                self.check()

    def _drop(self, process: HelperProcess) -> None:
        with self._changed:
            self._busy.discard(process)
        process.kill()
        process.close()
        with self._changed:
            self._free.insert(0, None)
            self._changed.notify()

    def _copy_errors(self) -> None:
        """Log the processes' standard error, within limits."""
        with os.fdopen(self._errors, "rb") as stream:
            while line := stream.readline(_LONGEST_LINE):
                if self._lines_left > 0:
                    self._lines_left -= 1
                    logger.info("helper process: %s", line.decode("utf-8", "replace").rstrip())
