"""One helper process, as seen by Orthanc: its pipes, its deadline, its end."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import subprocess
import sys
import time

from framecache.codecs.process.errors import (
    CodecCrashed,
    CodecTimeout,
    CodecUnavailable,
    Undecodable,
    Unwritable,
)
from framecache.codecs.process.protocol import PREFIX_SIZE, Head, ProtocolError, pack, unpack_head, unpack_lengths
from framecache.errors import Overloaded
from framecache.processes import environment

_PIPE_SIZE = 1 << 20  # bytes; the maximum for an ordinary user
_START_SECONDS = 30.0
# A temporary lack of memory, processes or descriptors.
_FOR_NOW = (errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE)
# Thread pools within the libraries would cost address space and gain nothing: we process frames in parallel.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class HelperProcess:
    """A running helper process. Only `kill` is safe to call from another thread."""

    def __init__(self, python: str, memory_limit: int, niceness: int, standard_error: int) -> None:
        """Start it. To be called on a thread that lives as long as the process.

        The kernel kills the process when the thread that started it ends. Raises CodecUnavailable, Overloaded.
        """
        self._memory_limit = memory_limit
        self.uses = 0
        arguments = ["--memory-limit", str(memory_limit), "--niceness", str(niceness)]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the program is the administrator's choice
                # -P: nothing is imported from the folder that Orthanc was started in.
                [python, "-P", "-m", "framecache.codecs.process", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=standard_error,
                bufsize=0,
                env={**environment(), **_ONE_THREAD},
            )
        except OSError as error:
            kind = Overloaded if error.errno in _FOR_NOW else CodecUnavailable
            raise kind(f"{python} cannot be started: {error.strerror}") from error
        assert self._process.stdin is not None  # noqa: S101 - said above
        assert self._process.stdout is not None  # noqa: S101 - said above
        self._input, self._output = self._process.stdin.fileno(), self._process.stdout.fileno()
        for descriptor in (self._input, self._output):
            os.set_blocking(descriptor, False)
            with contextlib.suppress(OSError):
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)

    def greet(self) -> None:
        """Wait until the process is ready.

        Raises CodecUnavailable where no such process can ever run here, CodecCrashed, CodecTimeout: it is to be killed.
        """
        _check_hello(self._receive(time.monotonic() + _START_SECONDS)[0])

    @property
    def pid(self) -> int:
        """The process ID."""
        return self._process.pid

    def call(self, head: Head, header: bytes, frame: bytes | memoryview, seconds: float) -> bytes:
        """The process's answer to one message. Raises Undecodable; CodecCrashed, CodecTimeout: it is to be killed."""
        if len(frame) > self._memory_limit:
            raise Undecodable("the frame is larger than the memory of a helper process")
        deadline = time.monotonic() + seconds
        self.uses += 1
        try:
            self._send([pack(head, header, frame), header, frame], deadline)
        except ProtocolError as error:
            raise Undecodable(str(error)) from error
        answer, content = self._receive(deadline)
        if "error" in answer:
            raise (Unwritable if answer.get("unwritable") else Undecodable)(str(answer["error"]))
        return content

    def kill(self) -> None:
        """Kill the process; a caller that waits for its answer gets an error."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Close the pipes of a killed process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _send(self, parts: list[bytes | memoryview], deadline: float) -> None:
        views = [view for part in parts if (view := memoryview(part).cast("B"))]
        while views:
            self._wait(self._input, select.POLLOUT, deadline)
            try:
                count = os.writev(self._input, views)
            except BlockingIOError:
                continue
            except OSError as error:
                raise CodecCrashed("the helper process ended") from error
            while views and count >= len(views[0]):
                count -= len(views.pop(0))
            if views:
                views[0] = views[0][count:]

    def _receive(self, deadline: float) -> tuple[Head, bytes]:
        try:
            lengths = unpack_lengths(self._read(PREFIX_SIZE, deadline), self._memory_limit)
            head = unpack_head(self._read(lengths.head, deadline))
        except ProtocolError as error:
            raise CodecCrashed(f"the helper process: {error}") from error
        return head, self._read(lengths.frame, deadline)

    def _read(self, length: int, deadline: float) -> bytes:
        content = bytearray(length)
        view = memoryview(content)
        while view:
            self._wait(self._output, select.POLLIN, deadline)
            try:
                count = os.readv(self._output, [view])
            except BlockingIOError:
                continue
            if count == 0:
                raise CodecCrashed("the helper process ended")
            view = view[count:]
        return bytes(content)

    def _wait(self, descriptor: int, event: int, deadline: float) -> None:
        """Return when `descriptor` is ready, or closed by the other side."""
        poll = select.poll()
        poll.register(descriptor, event)
        seconds = deadline - time.monotonic()
        if seconds <= 0 or not poll.poll(seconds * 1000):
            raise CodecTimeout("the helper process did not answer in time")


def _check_hello(hello: Head) -> None:
    """Raises CodecUnavailable if the process runs another Python version, or lacks packages."""
    ours, theirs = list(sys.version_info[:2]), hello.get("python")
    if theirs != ours:
        embedded, found = ".".join(map(str, ours)), ".".join(map(str, theirs or ["?"]))
        raise CodecUnavailable(f"python3 on Orthanc's PATH is {found}, but Orthanc's own Python is {embedded}")
    if "error" in hello:
        raise CodecUnavailable(f"the helper process lacks a package: {hello['error']}")
