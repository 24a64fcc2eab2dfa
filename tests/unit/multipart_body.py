"""A body of multipart/related, taken apart."""

from __future__ import annotations

from framecache.dicomweb.multipart import Multipart


def split(body: bytes, uuid: str) -> list[tuple[bytes, bytes]]:
    """Head and frame of each part: the email parser normalises newlines in binary parts, and this does not."""
    multipart = Multipart("", uuid)
    assert body.endswith(multipart.closing)
    inner = body.removesuffix(multipart.closing).split(f"--{multipart.boundary}\r\n".encode())[1:]
    pieces = [piece if i == len(inner) - 1 else piece.removesuffix(b"\r\n") for i, piece in enumerate(inner)]
    return [(head, frame) for head, _, frame in (piece.partition(b"\r\n\r\n") for piece in pieces)]
