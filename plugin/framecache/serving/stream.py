"""A long answer, sent chunk by chunk so that its client sees where it ends too early (RFC 9112 section 6.3).

Orthanc writes the header fields and the chunks as they are given, and closes the connection behind them. Without a
length of its own an answer that breaks off would look complete.
"""

from __future__ import annotations

from collections.abc import Iterable

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
