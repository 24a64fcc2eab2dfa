"""A data set as DICOM JSON: what each kind of value becomes, and what damage does."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import pytest
from framecache.dicom.element_walker import UNDEFINED_LENGTH
from framecache.dicom.identity import InstancePath
from framecache.dicom.model.bulk_data import BASE, BulkDataUris
from framecache.dicom.model.dicom_json import dicom_json
from framecache.dicom.model.dictionary import Dictionary
from framecache.errors import NestedTooDeeply, SourceError, UnreadableHeader
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dicom_files import (
    BIG_ENDIAN,
    DEFLATED,
    END_OF_SEQUENCE,
    EXPLICIT,
    IMPLICIT,
    INSTANCE,
    JPEG_2000,
    SERIES,
    STUDY,
    as_items,
    encapsulated,
    encoded,
    header_before_items,
    image,
    native,
)
from tests.unit.elements import ITEM_END, implicit, long, short

BULK = f"http://host/dicom-web/studies/{STUDY}/series/{SERIES}/instances/{INSTANCE}/bulk/"
URIS = BulkDataUris(InstancePath(STUDY, SERIES, INSTANCE))
META = encoded(image())[: encoded(image()).index(struct.pack("<HH2s", 8, 0x16, b"UI"))]


def parsed(content: bytes, syntax: str = EXPLICIT, **options: Any) -> Mapping[str, Any]:
    kept = dicom_json(content, syntax, options.pop("bulk_data", URIS), **options)
    found: Mapping[str, Any] = json.loads(kept.replace(BASE, b"http://host/dicom-web/"))
    return found


def test_the_object_is_compact_and_the_mark_is_only_where_the_root_belongs() -> None:
    content = META + short(0x00080070, b"LO", b"a\x1ab") + long(0x00281201, b"OW", b"\1\2")
    assert dicom_json(content, EXPLICIT, URIS) == (
        b'{"00080070":{"vr":"LO","Value":["a\\u001ab"]},"00281201":{"vr":"OW","BulkDataURI":"'
        + BASE
        + f"studies/{STUDY}/series/{SERIES}/instances/{INSTANCE}/bulk/00281201".encode()
        + b'"}}'
    )


VALUES = (
    ("a code", short(0x00080060, b"CS", b"CT"), ["CT"]),
    ("several codes, one empty", short(0x00080008, b"CS", b"DERIVED\\\\AXIAL "), ["DERIVED", None, "AXIAL"]),
    ("spaces in front and between", short(0x00080008, b"CS", b" A \\ B  "), [" A ", " B"]),
    ("text behind a null", short(0x00080070, b"LO", b"A\0B "), ["A"]),
    ("a UID with its padding", short(0x00080016, b"UI", b"1.2.3\0"), ["1.2.3"]),
    ("a UID with spaces", short(0x00080016, b"UI", b" 1.2 .3 "), ["1.2.3"]),
    ("no value", short(0x00080050, b"SH", b""), None),
    ("nothing but padding", short(0x00080050, b"SH", b"  "), None),
    ("decimals keep their digits", short(0x00280030, b"DS", b"0.50\\ 1e-3 \\.5\\+3."), ["0.50", "1e-3", ".5", "+3."]),
    ("decimals that are none", short(0x00280030, b"DS", b"\\1.2.3\\nan\\7 "), [None, None, None, "7"]),
    ("integers", short(0x00200013, b"IS", b" 1\\\\-07"), [1, None, -7]),
    ("integers that are none", short(0x00200013, b"IS", b"1.5\\2 "), [None, 2]),
    ("an integer of too many digits", short(0x00200013, b"IS", b"1" * 9000), [None]),
    ("unsigned shorts", short(0x00280010, b"US", b"\x01\x00\xff\xff"), [1, 65535]),
    ("a signed short", short(0x00280106, b"SS", b"\xff\xff"), [-1]),
    ("a signed long", short(0x00186020, b"SL", b"\xff\xff\xff\xff"), [-1]),
    ("an unsigned long", short(0x00186020, b"UL", b"\xff\xff\xff\xff"), [2**32 - 1]),
    ("half a value too many", short(0x00280010, b"US", b"\x01\x00\xff"), [1]),
    ("half a value", short(0x00280010, b"US", b"\x01"), None),
    ("a float", short(0x00186028, b"FL", struct.pack("<f", 0.1)), [0.10000000149011612]),
    ("a double", short(0x00186028, b"FD", struct.pack("<d", 0.1)), [0.1]),
    (
        "a double of many digits",
        short(0x00186028, b"FD", struct.pack("<2d", 5e9, 1 + 2**-52)),
        [5_000_000_000, 1 + 2**-52],
    ),
    ("a tiny float", short(0x00186028, b"FL", struct.pack("<f", 2**-149)), [2**-149]),
    ("not a number", short(0x00186028, b"FD", struct.pack("<d", float("nan"))), [None]),
    (
        "infinity",
        short(0x00186028, b"FD", struct.pack("<2d", float("inf"), float("-inf"))),
        [float("inf"), float("-inf")],
    ),
    ("tags", short(0x00280009, b"AT", b"\x18\x00\x63\x10\xe0\x7f\x10\x00"), ["00181063", "7FE00010"]),
    ("64 bits", long(0x00110010, b"UV", b"\xff" * 8), [2**64 - 1]),
    ("64 bits with a sign", long(0x00110010, b"SV", b"\xff" * 8), [-1]),
    ("text is one value", short(0x00104000, b"LT", b" a\\b\r\n "), [" a\\b\r\n"]),
    ("text of any length", long(0x00191050, b"UT", b"a\\" * 70_000), ["a\\" * 70_000]),
    ("unlimited characters", long(0x00191050, b"UC", b"a\\b "), ["a", "b"]),
    ("quotes and control characters", short(0x00080070, b"LO", b'a"b\x01'), ['a"b\x01']),
    ("a name", short(0x00100010, b"PN", b"A^B=C=D"), [{"Alphabetic": "A^B", "Ideographic": "C", "Phonetic": "D"}]),
    ("a name without its first group", short(0x00100010, b"PN", b"=C="), [{"Ideographic": "C"}]),
    ("names", short(0x00100010, b"PN", b"A\\\\B"), [{"Alphabetic": "A"}, {}, {"Alphabetic": "B"}]),
)


@pytest.mark.parametrize(("content", "values"), [row[1:] for row in VALUES], ids=[row[0] for row in VALUES])
def test_values(content: bytes, values: list[object] | None) -> None:
    (attribute,) = parsed(META + content).values()
    assert attribute.get("Value") == values
    assert attribute["vr"] == content[4:6].decode()
    assert set(attribute) <= {"vr", "Value"}


def test_attributes_are_in_order_and_the_first_of_two_counts() -> None:
    late, first, second = (
        short(tag, b"SH", value) for tag, value in ((0x00200010, b"1 "), (0x80050, b"A "), (0x80050, b"B "))
    )
    kept = dicom_json(META + late + first + second, EXPLICIT, URIS)
    assert kept == b'{"00080050":{"vr":"SH","Value":["A"]},"00200010":{"vr":"SH","Value":["1"]}}'


def test_group_lengths_and_file_meta_are_left_out() -> None:
    repeated = short(0x00020010, b"UI", b"1.2.3\0") + short(0x00080000, b"UL", bytes(4))
    assert set(parsed(META + repeated + short(0x00080060, b"CS", b"CT"))) == {"00080060"}


ITEM = short(0x00080100, b"SH", b"1 ")
SEQUENCES = (
    ("no items", long(0x00081140, b"SQ", b""), None),
    ("no items, and no length", long(0x00081140, b"SQ", END_OF_SEQUENCE, UNDEFINED_LENGTH), None),
    ("items with lengths", long(0x00081140, b"SQ", as_items([ITEM, b"", ITEM])), ["1", None, "1"]),
    (
        "items without",
        long(
            0x00081140,
            b"SQ",
            as_items([ITEM])
            + struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED_LENGTH)
            + ITEM
            + ITEM_END
            + END_OF_SEQUENCE,
            UNDEFINED_LENGTH,
        ),
        ["1", "1"],
    ),
    (
        "items of a UN are in Implicit VR",
        long(0x00091040, b"UN", as_items([implicit(0x00080100, b"1 ")]) + END_OF_SEQUENCE, UNDEFINED_LENGTH),
        ["1"],
    ),
)


@pytest.mark.parametrize(("content", "codes"), [row[1:] for row in SEQUENCES], ids=[row[0] for row in SEQUENCES])
def test_sequences(content: bytes, codes: list[str | None] | None) -> None:
    found = parsed(META + content + short(0x00200010, b"SH", b"B "))
    sequence = next(iter(found.values()))
    assert sequence["vr"] == "SQ"
    expected = [{"00080100": {"vr": "SH", "Value": [code]}} if code else {} for code in codes or ()]
    assert sequence.get("Value") == (expected if codes else None)
    assert found["00200010"]["Value"] == ["B"]


def test_binary_values_are_named_by_their_place() -> None:
    binary = long(0x00281201, b"OW", b"\1\2")
    icons = long(0x00880200, b"SQ", as_items([b"", binary + long(0x7FE00010, b"OW", b"\1\2")]))
    found = parsed(META + long(0x00281201, b"OB", b"") + icons + long(0x7FE00010, b"OW", b"", 1 << 30))
    assert found["00281201"] == {"vr": "OB"}
    assert found["00880200"]["Value"][1] == {
        "00281201": {"vr": "OW", "BulkDataURI": BULK + "00880200/2/00281201"},
        "7FE00010": {"vr": "OW", "BulkDataURI": BULK + "00880200/2/7fe00010"},
    }
    assert found["7FE00010"] == {"vr": "OW", "BulkDataURI": BULK + "7fe00010"}


@pytest.mark.parametrize(
    ("syntax", "words"), [(EXPLICIT, b"\1\2\3\4"), (IMPLICIT, b"\1\2\3\4"), (BIG_ENDIAN, b"\2\1\4\3")]
)
def test_binary_values_that_stay_are_little_endian(syntax: str, words: bytes) -> None:
    content = encoded(image(RedPaletteColorLookupTableData=words), syntax)
    found = parsed(content, syntax, bulk_data=lambda *_: None)
    assert found["00281201"] == {"vr": "OW", "InlineBinary": "AQIDBA=="}


def test_who_decides_about_a_value_is_told_of_it() -> None:
    told = []
    binary = long(0x00281201, b"OW", b"\1\2")
    parsed(
        META + long(0x00880200, b"SQ", as_items([binary])),
        bulk_data=lambda path, vr, length, value: told.append((path, vr, length, bytes(value()))),
    )
    assert told == [("00880200/1/00281201", "OW", 2, b"\1\2")]


def test_nothing_behind_the_head_of_the_pixel_data_is_read() -> None:
    content = native(bytes(72))
    assert parsed(content + b"\xff" * 20) == parsed(content) == parsed(content[:-72])
    assert parsed(content)["7FE00010"] == {"vr": "OB", "BulkDataURI": BULK + "7fe00010"}


def test_encapsulated_pixel_data_is_bytes_whatever_the_file_says() -> None:
    content = header_before_items().replace(b"\x10\0OB", b"\x10\0OW")
    assert parsed(content, JPEG_2000)["7FE00010"]["vr"] == "OB"
    assert parsed(encapsulated([b"", b"\1\2"]), JPEG_2000)["7FE00010"]["vr"] == "OB"


def test_the_pixels_of_an_encapsulated_icon_are_left_out() -> None:
    """Nothing could be asked for them."""
    pixels = long(0x7FE00010, b"OB", as_items([b"", b"\1\2"]) + END_OF_SEQUENCE, UNDEFINED_LENGTH)
    found = parsed(META + long(0x00880200, b"SQ", as_items([pixels])) + short(0x00400254, b"LO", b"B "))
    assert found["00880200"]["Value"] == [{}]
    assert found["00400254"]["Value"] == ["B"]


SIGNED, UNSIGNED = implicit(0x00280103, b"\1\0"), implicit(0x00280103, b"\0\0")
CREATOR = implicit(0x00090010, b"GEMS_IDEN_01")
VRS = (
    ("a known attribute", implicit(0x00080060, b"CT"), "CS", ["CT"]),
    ("signed samples", SIGNED + implicit(0x00280106, b"\xff\xff"), "SS", [-1]),
    ("unsigned samples", UNSIGNED + implicit(0x00280106, b"\xff\xff"), "US", [65535]),
    ("a descriptor of signed samples", SIGNED + implicit(0x00281101, b"\xff\xff\0\0\x10\0"), "US", [65535, 0, 16]),
    ("an overlay", implicit(0x60020010, b"\1\0"), "US", [1]),
    ("bytes or words", implicit(0x54001010, b"\1\0"), "OW", None),
    ("words or numbers", implicit(0x00283006, b"\1\0"), "OW", None),
    ("an unknown attribute", implicit(0x12345678, b"\1\0"), "UN", None),
    ("a private creator", CREATOR, "LO", ["GEMS_IDEN_01"]),
    ("a private attribute", CREATOR + implicit(0x00091027, b"\1\0\0\0"), "SL", [1]),
    ("another block", implicit(0x000900A0, b"GEMS_IDEN_01") + implicit(0x0009A027, bytes(4)), "SL", [0]),
    ("a private attribute nobody knows", CREATOR + implicit(0x000910FF, b"\1\0"), "UN", None),
    ("a private attribute without creator", implicit(0x00091027, b"\1\0\0\0"), "UN", None),
    ("an attribute of the site", implicit(0x00990010, b"SITE") + implicit(0x00991001, b"7 "), "IS", [7]),
)  # fmt: skip
SITE = Dictionary([(0x00990001, "SITE", "IS")])


@pytest.mark.parametrize(("content", "vr", "values"), [row[1:] for row in VRS], ids=[row[0] for row in VRS])
def test_vrs_that_the_file_does_not_say(content: bytes, vr: str, values: list[object] | None) -> None:
    meta = META.replace(EXPLICIT.encode() + b"\0", IMPLICIT.encode() + b"\0\0\0")
    attribute = list(parsed(meta + content, IMPLICIT, dictionary=SITE).values())[-1]
    assert attribute["vr"] == vr
    assert attribute.get("Value") == values


def test_private_attributes_may_stay_unknown() -> None:
    found = parsed(META + CREATOR + implicit(0x00091027, bytes(4)), IMPLICIT, dictionary=Dictionary(has_private=False))
    assert found["00091027"]["vr"] == "UN"


UNKNOWN = (
    ("text", long(0x00080050, b"UN", b"A "), "SH", ["A"]),
    ("numbers", long(0x00280010, b"UN", b"\2\0"), "US", [2]),
    ("words", long(0x00281201, b"UN", b"\2\0"), "OW", None),
    ("items of any encoding", long(0x00081140, b"UN", as_items([ITEM])), "UN", None),
    ("a VR that is none", short(0x00080050, b"??", b"A ") + ITEM, "SH", ["A"]),
    ("a VR of a later edition", long(0x00091010, b"ZZ", b"A ") + ITEM, "UN", None),
)


@pytest.mark.parametrize(("content", "vr", "values"), [row[1:] for row in UNKNOWN], ids=[row[0] for row in UNKNOWN])
def test_vrs_that_the_file_says_to_be_unknown(content: bytes, vr: str, values: list[object] | None) -> None:
    attribute = parsed(META + short(0x00080016, b"UI", b"1.2\0") + content)[
        "{:04X}{:04X}".format(*struct.unpack("<HH", content[:4]))
    ]
    assert attribute["vr"] == vr
    assert attribute.get("Value") == values


def test_big_endian_numbers_of_unknown_vr_stay_unknown() -> None:
    """Who wrote "unknown" did not know what to swap."""
    content = META + long(0x00280010, b"UN", b"\0\2", order=">") + short(0x00280011, b"US", b"\0\2", ">")
    found = parsed(content, BIG_ENDIAN)
    assert found["00280010"]["vr"] == "UN"
    assert found["00280011"] == {"vr": "US", "Value": [2]}


def test_text_is_in_the_character_set_of_its_item() -> None:
    inner = short(0x00080005, b"CS", b"ISO_IR 192") + short(0x00080104, b"LO", "ü".encode())
    sequence = long(0x00082112, b"SQ", as_items([inner, short(0x00080104, b"LO", b"\xfc ")]))
    found = parsed(META + short(0x00080005, b"CS", b"ISO_IR 100") + sequence + short(0x00081030, b"LO", b"\xfc "))
    first, second = found["00082112"]["Value"]
    assert first["00080104"] == second["00080104"] == found["00081030"] == {"vr": "LO", "Value": ["ü"]}


def test_text_of_no_character_set_is_in_the_default_one() -> None:
    content = META + short(0x00081030, b"LO", b"M\xfcller")
    assert parsed(content)["00081030"]["Value"] == ["Mller"]
    assert parsed(content, default_character_set="ISO_IR 100")["00081030"]["Value"] == ["Müller"]


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_each_transfer_syntax_says_the_same(syntax: str) -> None:
    content = encoded(image(ReferencedImageSequence=[image(Rows=7)], WindowCenter=["40", "400"]), EXPLICIT)
    if syntax not in (EXPLICIT, DEFLATED):
        content = encoded(image(ReferencedImageSequence=[image(Rows=7)], WindowCenter=["40", "400"]), syntax)
    found = parsed(content, syntax)
    assert found["00081140"]["Value"][0]["00280010"]["Value"] == [7]
    assert found["00281050"] == {"vr": "DS", "Value": ["40", "400"]}


def test_a_header_that_ends_inside_a_value_is_refused() -> None:
    with pytest.raises(UnreadableHeader):
        parsed(META + short(0x00080060, b"CS", b"CT")[:-1])


def test_a_damaged_item_costs_no_more_than_its_sequence() -> None:
    damaged = as_items([ITEM, short(0x00080100, b"SH", b"")[:6] + b"\xff\xff"])
    found = parsed(META + long(0x00081140, b"SQ", damaged) + short(0x00200010, b"SH", b"B "))
    assert found["00081140"]["Value"] == [{"00080100": {"vr": "SH", "Value": ["1"]}}]
    assert found["00200010"]["Value"] == ["B"]


def test_sequences_may_not_lie_too_deep() -> None:
    content = b""
    for _ in range(100):
        content = long(0x00081140, b"SQ", as_items([content]))
    with pytest.raises(NestedTooDeeply):
        parsed(META + content)


@given(st.binary(max_size=60), st.sampled_from([EXPLICIT, IMPLICIT, BIG_ENDIAN]))
def test_whatever_is_in_the_file_has_an_answer_or_an_error_of_ours(content: bytes, syntax: str) -> None:
    _parsed_or_refused(META + content, syntax)


@given(st.data())
def test_a_damaged_file_has_an_answer_or_an_error_of_ours(data: st.DataObject) -> None:
    syntax = data.draw(st.sampled_from([EXPLICIT, IMPLICIT, BIG_ENDIAN]))
    content = bytearray(encoded(image(ReferencedImageSequence=[image()]), syntax))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(len(META), len(content) - 1))] = data.draw(st.integers(0, 255))
    _parsed_or_refused(bytes(content), syntax)


def _parsed_or_refused(content: bytes, syntax: str) -> None:
    try:
        parsed(content, syntax)
    except SourceError:
        return
