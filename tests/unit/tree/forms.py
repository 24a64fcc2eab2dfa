"""Forms that are made without a codec."""

from __future__ import annotations

from framecache.codecs.process.errors import Unwritable
from framecache.tree.layout import FORMS


class Reversed:
    """Frames backwards, in the name of a form; of all that is stored, if not said otherwise. None can be made as long
    as there is an `error`."""

    transfer_syntax_uid = FORMS[0]

    def __init__(self, *, is_wanted: bool = True, fails_at: int = 0) -> None:
        self._is_wanted, self._fails_at = is_wanted, fails_at
        self.error: Exception | None = None
        self.failed = 0

    def wants(self, _: str) -> bool:
        return self._is_wanted

    def make(self, header: bytes, frame: bytes | memoryview, number: int) -> bytes:
        assert header[128:132] == b"DICM"
        if self.error:
            self.failed += 1
            raise self.error
        if number == self._fails_at:
            raise Unwritable("it would have other samples")
        return bytes(frame)[::-1]
