"""Values that a DICOM JSON object names instead of holding them (PS3.18 sections F.2.6 and F.2.7)."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from json.encoder import encode_basestring
from types import MappingProxyType
from typing import Protocol

from framecache.dicom.big_endian import word_size_of
from framecache.dicom.identity import InstancePath

# It stands for the DICOMweb root, which is another one for each client. JSON has no control characters (RFC 8259
# section 7), so it is nowhere else: `kept.replace(BASE, root)` is the whole of putting it in.
BASE = b"\x1a"
_TYPES = MappingProxyType({2: "H", 4: "I", 8: "Q"})


class BulkData(Protocol):
    """Decides which binary values leave the JSON."""

    def __call__(self, path: str, vr: str, length: int, value: Callable[[], memoryview]) -> str | None:
        """The URI under which the value will be found, as it is to stand in the JSON; None: it is inline.

        `path` is that of the stock plugin: `00431028`, or in items, which count from 1, `00880200/1/00281201`.
        `length` is that of the value in bytes; of pixel data UNDEFINED_LENGTH if it is encapsulated. `value` is in
        Little Endian; that of pixel data is not there, and empty.
        """


@dataclass(frozen=True, slots=True)
class BulkDataUris:
    """All of them leave it, as with the stock plugin, under URIs that its `/bulk/` routes answer."""

    path: InstancePath

    def __call__(self, path: str, vr: str, length: int, value: Callable[[], memoryview]) -> str:  # noqa: ARG002
        return f"{BASE.decode()}{self.path}/bulk/{path}"


def as_json(uri: str) -> str:
    """A JSON string, but for BASE, which stays as it is."""
    return encode_basestring(uri).replace(encode_basestring(BASE.decode())[1:-1], BASE.decode())


def little_endian(value: memoryview, vr: str, order: str) -> memoryview:
    """`value`, whose byte order is `order`, as bulk data is on the web; a half word at its end is left out."""
    size = word_size_of(vr.encode())
    if order == "<" or size == 1:
        return value
    words = array(_TYPES[size], value[: len(value) - len(value) % size].tobytes())
    words.byteswap()
    return memoryview(words).cast("B")
