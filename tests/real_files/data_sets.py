"""Data sets of kinds that real files seldom have, as stored files."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from framecache.dicom.element_walker import UNDEFINED_LENGTH

from tests.unit.dicom_files import BIG_ENDIAN, DEFLATED, END_OF_SEQUENCE, EXPLICIT, IMPLICIT, as_items
from tests.unit.elements import ITEM_END, implicit, long, short

BASELINE = "1.2.840.10008.1.2.4.50"
STUDY, SERIES = "2.25.1301", "2.25.1302"
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")


@dataclass(frozen=True)
class DataSet:
    """A stored file of this name."""

    name: str
    elements: Sequence[tuple[int, bytes, bytes]]
    transfer_syntax_uid: str = EXPLICIT
    behind: bytes = field(default=b"", repr=False)

    def content(self, number: int) -> bytes:
        """The file; instances of one series differ by `number`."""
        identity = [(0x00080016, b"UI", b"1.2.840.10008.5.1.4.1.1.7\0"), (0x00080018, b"UI", b"2.25.%06d" % number)]
        series = [(0x0020000D, b"UI", STUDY.encode() + b"\0"), (0x0020000E, b"UI", SERIES.encode() + b"\0")]
        patient = [(0x00100020, b"LO", b"SYNTHETIC ")]
        elements = sorted([*identity, *patient, *series, *self.elements], key=lambda element: element[0])
        body = b"".join(self._element(*element) for element in elements) + self.behind
        return _file_meta(self.transfer_syntax_uid) + (
            _deflated(body) if self.transfer_syntax_uid == DEFLATED else body
        )

    def _element(self, tag: int, vr: bytes, value: bytes) -> bytes:
        if self.transfer_syntax_uid == IMPLICIT:
            return implicit(tag, value)
        order = ">" if self.transfer_syntax_uid == BIG_ENDIAN else "<"
        return long(tag, vr, value, order=order) if vr in _LONG else short(tag, vr, value, order)


def _deflated(body: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(body) + deflater.flush()


def _file_meta(transfer_syntax_uid: str) -> bytes:
    uid = transfer_syntax_uid.encode() + b"\0" * (len(transfer_syntax_uid) % 2)
    meta = short(0x00020010, b"UI", uid)
    return bytes(128) + b"DICM" + short(0x00020000, b"UL", struct.pack("<L", len(meta))) + meta


def _text(terms: bytes | None, value: bytes) -> list[tuple[int, bytes, bytes]]:
    """Of each VR of text, in the character set of `terms`."""
    value += b" " * (len(value) % 2)
    said = [] if terms is None else [(0x00080005, b"CS", terms + b" " * (len(terms) % 2))]
    item = as_items([short(0x00080104, b"LO", value)])
    texts = [
        (0x00081030, b"LO", value),
        (0x00082112, b"SQ", item),
        (0x00100010, b"PN", value),
        (0x00104000, b"LT", value),
    ]
    return [*said, *texts]


_CODE = short(0x00080100, b"SH", b"1 ")
_UNLIMITED_ITEM = struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED_LENGTH)
_FRAGMENTS = as_items([b"", b"\xff\xd8\xff\xd9"]) + END_OF_SEQUENCE
_BEHIND = short(0x7FE10010, b"LO", b"BEHIND") + long(0xFFFCFFFC, b"OB", bytes(2))
_BINARY = ((b"OB", 2), (b"OW", 2), (b"OF", 4), (b"OD", 8), (b"OL", 4), (b"OV", 8), (b"UN", 2))


def _of_characters() -> list[DataSet]:
    return [
        DataSet(f"text in {name}", _text(terms, value))
        for name, terms, value in (
            ("no character set", None, b"M\xfcller"),
            ("Latin 1", b"ISO_IR 100", b"M\xfcller"),
            ("Latin 2", b"ISO_IR 101", b"\xb1\xe6"),
            ("Cyrillic", b"ISO_IR 144", b"\xbb\xee"),
            ("Thai", b"ISO_IR 166", b"\xa1\xd2"),
            ("katakana", b"ISO_IR 13", b"\xd4\xcf\xc0\xde"),
            ("romaji with a yen sign", b"ISO_IR 13", b"A\\B"),
            ("UTF-8", b"ISO_IR 192", "Wang=王".encode()),
            ("UTF-8, damaged", b"ISO_IR 192", b"M\xfcller"),
            ("GB 18030", b"GB18030", "王𠀀".encode("gb18030")),
            ("GBK", b"GBK", "誠A".encode("gbk")),
            ("kanji", b"\\ISO 2022 IR 87", b"Yamada=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"),
            ("Korean", b"\\ISO 2022 IR 149", b"Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce"),
            ("Chinese", b"\\ISO 2022 IR 58", b"Zhang=\x1b$)A\xd5\xc5^"),
            ("Latin 9", b"ISO_IR 203", b"\xa4"),
            ("a misspelled character set", b"ISO-IR 144", b"\xbb"),
            ("an unknown character set", b"KLINGON", b"M\xfcller\r\n"),
            ("katakana and kanji", b"ISO 2022 IR 13\\ISO 2022 IR 87", b"\xd4\xcf=\x1b$B;3\x1b(J^\x1b$BED\x1b(J"),
            ("more kanji", b"\\ISO 2022 IR 159", b"A=\x1b$(D\x30\x21\x1b(B"),
            ("Latin and Cyrillic", b"ISO 2022 IR 100\\ISO 2022 IR 144", b"\xfc^\x1b-L\xbb\x1b-A\xfc"),
        )
    ]


def _of_values() -> list[DataSet]:
    signs = [(0x00281101, b"US", b"\xff\xff\0\0\x10\0"), (0x00280106, b"SS", b"\xff\xff")]
    return [
        DataSet(
            "spaces and nulls",
            [
                (0x00080008, b"CS", b" A \\ B "),
                (0x00081030, b"LO", b" A \\ B\0C"),
                (0x00080014, b"UI", b" 1.2 .3 "),
                (0x00102203, b"CS", b"\0\0"),
                (0x00102201, b"LO", b"  "),
                (0x00280030, b"DS", b" 1.50\\ 2e3"),
                (0x00200013, b"IS", b" 7 "),
            ],
        ),
        DataSet("numbers", [(0x00186028, b"FD", struct.pack("<3d", 0.1, float("nan"), float("inf"))), *signs]),
        DataSet("precise numbers", [(0x00186028, b"FD", struct.pack("<3d", 1e-30, 5e9, 1 + 2**-52))]),
        DataSet("64 bits", [(0x00720082, b"SV", struct.pack("<q", -(2**40))), (0x00720083, b"UV", b"\xff" * 8)]),
        DataSet("numbers that are none", [(0x00280030, b"DS", b"1\\x\\2 "), (0x00200013, b"IS", b"1.0 ")]),
        DataSet("large integers", [(0x00200013, b"IS", b"-2147483649 ")]),
        DataSet("backslashes in text", [(0x00104000, b"LT", b"a\\b "), (0x0040A160, b"UT", b"a\\b ")]),
        DataSet("names", [(0x00100010, b"PN", b"A^B=C=D\\E^F "), (0x00081048, b"PN", b"A\\\\B")]),
        DataSet("names with empty groups", [(0x00100010, b"PN", b"=C="), (0x00081048, b"PN", b"A==Z")]),
        DataSet("binary values", [(0x00111000 + n, vr, bytes(size)) for n, (vr, size) in enumerate(_BINARY)]),
        DataSet("empty binary values", [(0x00111000 + n, vr, b"") for n, (vr, _) in enumerate(_BINARY)]),
        DataSet(
            "unknown VR, text", [(0x00080050, b"UN", b"A "), (0x00080008, b"UN", b"A\\B "), (0x12345678, b"UN", b"? ")]
        ),
        DataSet("unknown VR, numbers", [(0x00280010, b"UN", b"\2\0"), (0x00280009, b"UN", b"\x18\0\x63\x10")]),
        DataSet("unknown VR, words", [(0x00281201, b"UN", b"\1\2")]),
        DataSet("unknown VR, items", [(0x00400275, b"UN", as_items([implicit(0x00080100, b"1 ")]))]),
        DataSet(
            "private creators",
            [(0x00090010, b"LO", b"GEMS_IDEN_01"), (0x00091002, b"UN", b"CT01"), (0x00110005, b"LO", b"A ")],
        ),
    ]


def _of_structures() -> list[DataSet]:
    sequence = _UNLIMITED_ITEM + _CODE + ITEM_END
    inner = short(0x00080005, b"CS", b"ISO_IR 192") + short(0x00080104, b"LO", "ü".encode())
    icon = short(0x00280010, b"US", b"\1\0") + long(0x7FE00010, b"OW", b"\1\2")
    encapsulated = long(0x7FE00010, b"OB", _FRAGMENTS, UNDEFINED_LENGTH)
    return [
        DataSet("sequences", [(0x00081140, b"SQ", as_items([_CODE, b"", _CODE])), (0x00081199, b"SQ", b"")]),
        DataSet("unlimited items", [(0x00081140, b"SQ", sequence + as_items([_CODE]))]),
        DataSet("empty items", [(0x00081140, b"SQ", as_items([b"", b""]))]),
        DataSet("a character set in an item", [(0x00082112, b"SQ", as_items([inner]))]),
        DataSet("icon", [(0x00880200, b"SQ", as_items([icon]))]),
        DataSet("encapsulated icon", [(0x00880200, b"SQ", as_items([encapsulated]))], BASELINE),
        DataSet("a document", [(0x00420011, b"OB", b"%PDF"), (0x00420012, b"LO", b"application/pdf ")]),
        DataSet(
            "overlay, curve and waveform",
            [(0x60000010, b"US", b"\1\0"), (0x60003000, b"OW", b"\1\2"), (0x50003000, b"OW", b"\1\2")],
        ),
        DataSet("twice", [(0x00080050, b"SH", b"A "), (0x00080050, b"SH", b"B ")]),
        DataSet("elements behind the pixel data", [(0x7FE00010, b"OW", b"\1\2")], behind=_BEHIND),
        DataSet(
            "elements behind fragments", [], BASELINE, long(0x7FE00010, b"OB", _FRAGMENTS, UNDEFINED_LENGTH) + _BEHIND
        ),
        DataSet("no pixels in the pixel data", [(0x7FE00010, b"OW", b"")]),
        DataSet("float pixels", [(0x7FE00008, b"OF", bytes(4))]),
        DataSet("double float pixels", [(0x7FE00009, b"OD", bytes(8))]),
        DataSet("group 0002 again", [(0x00020010, b"UI", b"1.2.840.10008.1.2\0")]),
        DataSet("group lengths", [(0x00080000, b"UL", bytes(4)), (0x00100000, b"UL", bytes(4))]),
        DataSet("deflated", [(0x00080050, b"SH", b"A "), (0x00281201, b"OW", b"\1\2")], DEFLATED),
        DataSet("deflated pixels", [(0x7FE00010, b"OW", b"\1\2")], DEFLATED),
        DataSet(
            "big endian",
            [(0x00280010, b"US", b"\0\2"), (0x00281201, b"OW", b"\2\1"), (0x00280009, b"AT", b"\0\x18\x10\x63")],
            BIG_ENDIAN,
        ),
        DataSet("big endian, unknown VR", [(0x00280010, b"UN", b"\0\2")], BIG_ENDIAN),
    ]


def _without_vrs() -> list[DataSet]:
    signed = [(0x00280103, b"", b"\1\0"), (0x00280106, b"", b"\xff\xff"), (0x00281101, b"", b"\xff\xff\0\0\x10\0")]
    private = [(0x00090010, b"", b"GEMS_IDEN_01"), (0x00091027, b"", b"\1\0\0\0"), (0x000910FF, b"", b"? ")]
    philips = [(0x70530010, b"", b"Philips PET Private Group "), (0x70531000, b"", b"1.5 ")]
    words = [
        (0x00281201, b"", b"\1\2"),
        (0x00283006, b"", b"\1\2"),
        (0x60003000, b"", b"\1\2"),
        (0x7FE00010, b"", b"\1\2"),
    ]
    return [
        DataSet("implicit, signed", signed, IMPLICIT),
        DataSet("implicit, unsigned", [(0x00280103, b"", b"\0\0"), (0x00280106, b"", b"\xff\xff")], IMPLICIT),
        DataSet("implicit, private", private, IMPLICIT),
        DataSet("implicit, private to PET", philips, IMPLICIT),
        DataSet("implicit, words", words, IMPLICIT),
        DataSet("implicit, bytes or words", [(0x54001010, b"", b"\1\2"), (0x50003000, b"", b"\1\2")], IMPLICIT),
        DataSet("implicit, unknown", [(0x12345678, b"", b"? ")], IMPLICIT),
    ]


DATA_SETS = (*_of_characters(), *_of_values(), *_of_structures(), *_without_vrs())
