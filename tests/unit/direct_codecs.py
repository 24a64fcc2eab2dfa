"""What the helper processes do, done in this one."""

from __future__ import annotations

from collections.abc import Mapping

from framecache.codecs.process.service import Service


class DirectCodecs:
    """Transcodes and renders, without a process of its own, up to 64 MiB a frame."""

    def __init__(self) -> None:
        self._service = Service(64 << 20)

    def transcode(
        self, header: bytes, frame: bytes | memoryview, frame_number: int, target_transfer_syntax_uid: str
    ) -> bytes:
        asked = {"transcode": target_transfer_syntax_uid, "frame_number": frame_number}
        return self._service.answer(asked, header, bytes(frame))

    def file_header(
        self, header: bytes, vr: str, target_transfer_syntax_uid: str, length: int, ratio: float | None
    ) -> bytes:
        asked = {"file_header": target_transfer_syntax_uid, "vr": vr, "length": length, "ratio": ratio}
        return self._service.answer(asked, header, b"")

    def elements(self, header: bytes, elements: bytes, target_transfer_syntax_uid: str) -> bytes:
        return self._service.answer({"elements": target_transfer_syntax_uid}, header, elements)

    def whole_file(self, content: bytes, target_transfer_syntax_uid: str) -> bytes:
        return self._service.answer({"whole_file": target_transfer_syntax_uid}, b"", content)

    def render(
        self, header: bytes, frame: bytes | memoryview, frame_number: int, parameters: Mapping[str, object]
    ) -> bytes:
        return self._service.answer({"render": dict(parameters), "frame_number": frame_number}, header, bytes(frame))
