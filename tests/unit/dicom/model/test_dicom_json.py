"""A data set as DICOM JSON: what each kind of value becomes, and what damage does."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from framecache.dicom.identity import InstancePath
from framecache.dicom.model.bulk_data import BASE, BulkDataUris
from framecache.dicom.model.dicom_json import dicom_json
from framecache.errors import SourceError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dicom_files import BIG_ENDIAN, EXPLICIT, IMPLICIT, INSTANCE, SERIES, STUDY, encoded, image, native

BULK = f"http://host/dicom-web/studies/{STUDY}/series/{SERIES}/instances/{INSTANCE}/bulk/"
URIS = BulkDataUris(InstancePath(STUDY, SERIES, INSTANCE))
META = encoded(image())[: encoded(image()).index(struct.pack("<HH2s", 8, 0x16, b"UI"))]


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    """Of the form with a 2-byte length, in Explicit VR Little Endian."""
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def long_element(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """Of the form with a 4-byte length."""
    return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr, 0, len(value) if length is None else length) + value


def parsed(content: bytes, syntax: str = EXPLICIT, **options: Any) -> Mapping[str, Any]:
    kept = dicom_json(content, syntax, options.pop("bulk_data", URIS), **options)
    found: Mapping[str, Any] = json.loads(kept.replace(BASE, b"http://host/dicom-web/"))
    return found


VALUES = (
    ("a code", element(0x00080060, b"CS", b"CT"), ["CT"]),
    ("several codes, one empty", element(0x00080008, b"CS", b"DERIVED\\\\AXIAL "), ["DERIVED", None, "AXIAL"]),
    ("a UID with its padding", element(0x00080016, b"UI", b"1.2.3\0"), ["1.2.3"]),
    ("no value", element(0x00080050, b"SH", b""), None),
    ("nothing but padding", element(0x00080050, b"SH", b"  "), None),
    ("decimals keep their digits", element(0x00280030, b"DS", b"0.50\\ 1e-3 "), ["0.50", "1e-3"]),
    ("integers", element(0x00200013, b"IS", b" 1\\\\-07"), [1, None, -7]),
    ("an integer that is none", element(0x00200013, b"IS", b"1.5\\2 "), [2]),
    ("unsigned shorts", element(0x00280010, b"US", b"\x01\x00\xff\xff"), [1, 65535]),
    ("a signed long", element(0x00186020, b"SL", b"\xff\xff\xff\xff"), [-1]),
    ("half a value too many", element(0x00280010, b"US", b"\x01\x00\xff"), [1]),
    ("a double", element(0x00186028, b"FD", struct.pack("<d", 0.1)), [0.1]),
    ("a whole double", element(0x00186028, b"FD", struct.pack("<d", 5e9)), [5_000_000_000]),
    ("a tiny float", element(0x00186028, b"FL", struct.pack("<f", 2**-149)), [2**-149]),
    ("not a number", element(0x00186028, b"FD", struct.pack("<d", float("nan"))), [None]),
    ("infinity", element(0x00186028, b"FD", struct.pack("<d", float("-inf"))), [float("-inf")]),
    ("a tag", element(0x00280009, b"AT", b"\x18\x00\x63\x10"), ["00181063"]),
    ("64 bits", long_element(0x00110010, b"UV", b"\xff" * 8), [2**64 - 1]),
    ("text is one value", long_element(0x00191050, b"UT", b"a\\b\r\n "), ["a\\b\r\n"]),
    ("quotes", element(0x00080070, b"LO", b'a"b\x01'), ['a"b\x01']),
    ("a name", element(0x00100010, b"PN", b"A^B=C=D"), [{"Alphabetic": "A^B", "Ideographic": "C", "Phonetic": "D"}]),
    ("names", element(0x00100010, b"PN", b"A\\\\B"), [{"Alphabetic": "A"}, {}, {"Alphabetic": "B"}]),
)


@pytest.mark.parametrize(("content", "values"), [row[1:] for row in VALUES], ids=[row[0] for row in VALUES])
def test_values(content: bytes, values: list[object] | None) -> None:
    (attribute,) = parsed(META + content).values()
    assert attribute.get("Value") == values
    assert set(attribute) <= {"vr", "Value"}


def test_binary_values_are_named() -> None:
    binary = long_element(0x00281201, b"OW", b"\1\2")
    icon = long_element(0x00880200, b"SQ", struct.pack("<HHL", 0xFFFE, 0xE000, len(binary)) + binary)
    found = parsed(META + long_element(0x00281201, b"OB", b"") + icon + long_element(0x7FE00010, b"OW", b"", 1 << 30))
    assert found["00281201"] == {"vr": "OB"}
    assert found["00880200"]["Value"] == [{"00281201": {"vr": "OW", "BulkDataURI": BULK + "00880200/1/00281201"}}]
    assert found["7FE00010"] == {"vr": "OW", "BulkDataURI": BULK + "7fe00010"}


def test_binary_values_that_stay_are_little_endian() -> None:
    for syntax, words in ((EXPLICIT, b"\1\2\3\4"), (IMPLICIT, b"\1\2\3\4"), (BIG_ENDIAN, b"\2\1\4\3")):
        content = encoded(image(RedPaletteColorLookupTableData=words), syntax)
        found = parsed(content, syntax, bulk_data=lambda *_: None)
        assert found["00281201"] == {"vr": "OW", "InlineBinary": "AQIDBA=="}


def test_nothing_behind_the_pixel_data_is_read() -> None:
    content = native(bytes(72))
    assert parsed(content + b"\xff" * 20) == parsed(content) == parsed(content[:-72])


@given(st.binary(max_size=60))
def test_whatever_is_in_the_file_has_an_answer_or_an_error_of_ours(content: bytes) -> None:
    _parsed_or_refused(META + content)


@given(st.data())
def test_a_damaged_file_has_an_answer_or_an_error_of_ours(data: st.DataObject) -> None:
    content = bytearray(
        encoded(image(ReferencedImageSequence=[image()]), data.draw(st.sampled_from([EXPLICIT, IMPLICIT])))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(len(META), len(content) - 1))] = data.draw(st.integers(0, 255))
    _parsed_or_refused(bytes(content))


def _parsed_or_refused(content: bytes, parse: Callable[[bytes], object] = parsed) -> None:
    try:
        parse(content)
    except SourceError:
        return
