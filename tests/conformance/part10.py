"""Small DICOM files, pixel data and all, with the right, wrong and missing offset tables that archives hold."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import accumulate
from typing import Literal

from pydicom import Dataset, dcmwrite
from pydicom._uid_dict import UID_dictionary
from pydicom.encaps import itemize_frame
from pydicom.uid import UID, ExplicitVRLittleEndian

OffsetTable = Literal["basic", "empty", "wrong", "extended", "extended and wrong"]
_PIXEL_DATA = bytes.fromhex("e07f1000") + b"OB\0\0\xff\xff\xff\xff"
_ITEM = bytes.fromhex("feff00e0")
_SEQUENCE_END = bytes.fromhex("feffdde000000000")


@dataclass(frozen=True)
class Layout:
    """How the frames of an encapsulated instance are laid out (PS3.5 annex A.4, PS3.3 C.7.6.3.1.8)."""

    offset_table: OffsetTable = "basic"
    fragments_per_frame: int = 1


def native(data_set: Dataset, transfer_syntax_uid: str, pixels: bytes, keyword: str, vr: str) -> bytes:
    """A file whose pixel data, in the element `keyword`, is not compressed."""
    setattr(data_set, keyword, pixels + b"\0" * (len(pixels) % 2))
    data_set[keyword].VR = vr
    return _written(data_set, transfer_syntax_uid)


def encapsulated(data_set: Dataset, transfer_syntax_uid: str, frames: Sequence[bytes], layout: Layout) -> bytes:
    """A file whose pixel data is a sequence of fragments."""
    fragments = [b"".join(itemize_frame(frame, layout.fragments_per_frame)) for frame in frames]
    offsets = list(accumulate(map(len, fragments[:-1]), initial=0))
    if layout.offset_table.startswith("extended"):
        wrong = 2 if "wrong" in layout.offset_table else 0
        data_set.ExtendedOffsetTable = struct.pack(f"<{len(frames)}Q", *(offset + wrong for offset in offsets))
        data_set.ExtendedOffsetTableLengths = struct.pack(f"<{len(frames)}Q", *map(len, frames))
    basic = {"basic": offsets, "wrong": [offset + 6 for offset in offsets]}.get(layout.offset_table, [])
    table = struct.pack(f"<{len(basic)}L", *basic)
    header = _written(data_set, transfer_syntax_uid)
    return b"".join(
        [header, _PIXEL_DATA, _ITEM, struct.pack("<L", len(table)), table, *fragments, _SEQUENCE_END],
    )


def _written(data_set: Dataset, transfer_syntax_uid: str) -> bytes:
    """As pydicom writes it; a transfer syntax that is too new for it is put in afterwards."""
    uid, stream = UID(transfer_syntax_uid), BytesIO()
    is_known = uid in UID_dictionary
    data_set.file_meta.TransferSyntaxUID = uid if is_known else ExplicitVRLittleEndian
    dcmwrite(stream, data_set, enforce_file_format=True)
    return stream.getvalue() if is_known else _renamed(stream.getvalue(), uid)


def _renamed(content: bytes, uid: str) -> bytes:
    """With another Transfer Syntax UID (0002,0010), and so another File Meta Information Group Length."""
    old, new = _uid_element(ExplicitVRLittleEndian), _uid_element(uid)
    position = content.index(old)
    (length,) = struct.unpack_from("<L", content, 140)
    content = content[:position] + new + content[position + len(old) :]
    return content[:140] + struct.pack("<L", length + len(new) - len(old)) + content[144:]


def _uid_element(uid: str) -> bytes:
    value = uid.encode() + b"\0" * (len(uid) % 2)
    return bytes.fromhex("02001000") + b"UI" + struct.pack("<H", len(value)) + value
