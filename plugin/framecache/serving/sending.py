"""Sending answers: large ones a few at a time, long ones in chunks whose end a client can tell."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from framecache.ports import RestOutput


def send_stream(output: RestOutput, content_type: str, chunks: Iterable[memoryview], length: int | None) -> None:
    """Send `chunks`, of `length` bytes altogether where that is known, else in the chunked transfer coding.

    Raises what `chunks` raises, and what Orthanc raises where the client has left.
    """
    if length is not None:
        output.SetHttpHeader("Content-Length", str(length))
        output.StartStreamAnswer(content_type)
        for chunk in chunks:
            output.SendStreamChunk(chunk)
    else:
        output.SetHttpHeader("Transfer-Encoding", "chunked")
        output.StartStreamAnswer(content_type)
        _send_coded(output, chunks)


def _send_coded(output: RestOutput, chunks: Iterable[memoryview]) -> None:
    """RFC 9112 section 7.1: an empty chunk would end the body, so none is sent but the last."""
    for chunk in chunks:
        if len(chunk):
            output.SendStreamChunk(b"%x\r\n" % len(chunk))
            output.SendStreamChunk(chunk)
            output.SendStreamChunk(b"\r\n")
    output.SendStreamChunk(b"0\r\n\r\n")


LARGE = 1 << 20  # bytes; a smaller answer fits into the buffers of the sockets
# Whoever takes longer waits for the line or the client, not for the server, and is not waited for.
PATIENCE = 0.05  # seconds


class SendLimiter:
    """At most `most` answers are being sent, not counting those that have taken longer than `patience` seconds."""

    def __init__(self, most: int, patience: float = PATIENCE) -> None:
        self._most, self._patience = most, patience
        self._begun: dict[object, float] = {}  # those that count, oldest first
        self._waiting: deque[tuple[object, threading.Lock]] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until it is this thread's turn, which lasts as long as the context."""
        sender = object()
        self._await(sender)
        try:
            yield
        finally:
            with self._lock:
                self._begun.pop(sender, None)
                self._admit()

    def _await(self, sender: object) -> None:
        signal = threading.Lock()
        signal.acquire()
        with self._lock:
            self._waiting.append((sender, signal))
            self._admit()
        # Those at work may never end: one that waits looks itself whether they still count.
        while not signal.acquire(timeout=self._patience):
            with self._lock:
                self._admit()

    def _admit(self) -> None:
        now = time.monotonic()
        while self._begun and now - next(iter(self._begun.values())) > self._patience:
            del self._begun[next(iter(self._begun))]
        while self._waiting and len(self._begun) < self._most:
            sender, signal = self._waiting.popleft()
            self._begun[sender] = now
            signal.release()
