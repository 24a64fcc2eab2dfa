"""Reads a multipart body back, byte by byte."""

from __future__ import annotations

from framecache.dicomweb.multipart import BOUNDARY, CLOSING


def split(body: bytes) -> list[tuple[bytes, bytes]]:
    """Head and frame of each part: the email parser normalises newlines in binary parts, and this does not."""
    inner = body.removesuffix(CLOSING).split(f"--{BOUNDARY}\r\n".encode())[1:]
    pieces = [piece if i == len(inner) - 1 else piece.removesuffix(b"\r\n") for i, piece in enumerate(inner)]
    return [(head, frame) for head, _, frame in (piece.partition(b"\r\n\r\n") for piece in pieces)]
