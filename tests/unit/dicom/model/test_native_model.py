"""A data set as Native DICOM Model, from what its DICOM JSON says."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from framecache.dicom.identity import InstancePath
from framecache.dicom.model.bulk_data import BASE, BulkDataUris
from framecache.dicom.model.dicom_json import dicom_json
from framecache.dicom.model.native_model import native_dicom_model
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dicom_files import EXPLICIT, INSTANCE, SERIES, STUDY, as_items, encoded, image, native
from tests.unit.elements import long, short

URIS = BulkDataUris(InstancePath(STUDY, SERIES, INSTANCE))
META = encoded(image())[: encoded(image()).index(short(0x00080016, b"UI", b"")[:6])]
CONTENTS = (
    (
        "a standard attribute",
        short(0x00080060, b"CS", b"CT"),
        '<DicomAttribute tag="00080060" vr="CS" keyword="Modality"><Value number="1">CT</Value></DicomAttribute>',
    ),
    (
        "no value",
        short(0x00080050, b"SH", b""),
        '<DicomAttribute tag="00080050" vr="SH" keyword="AccessionNumber"/>',
    ),
    (
        "an empty one of several, and what XML escapes",
        short(0x00080008, b"CS", b"<&>\\\\A"),
        '<DicomAttribute tag="00080008" vr="CS" keyword="ImageType"><Value number="1">&lt;&amp;&gt;</Value>'
        '<Value number="2"></Value><Value number="3">A</Value></DicomAttribute>',
    ),
    (
        "numbers keep their digits",
        short(0x00186028, b"FD", b"\x9a\x99\x99\x99\x99\x99\xb9\x3f" + bytes(6) + b"\xf0\x7f"),
        '<DicomAttribute tag="00186028" vr="FD" keyword="ReferencePixelPhysicalValueX"><Value number="1">0.1</Value>'
        '<Value number="2">inf</Value></DicomAttribute>',
    ),
    (
        "control characters",
        short(0x00104000, b"LT", b"a\x01\x1ab\r\nc "),
        '<DicomAttribute tag="00104000" vr="LT" keyword="PatientComments"><Value number="1">ab&#13;\nc</Value>'
        "</DicomAttribute>",
    ),
    (
        "a name",
        short(0x00100010, b"PN", b"A^B==C\\\\D "),
        '<DicomAttribute tag="00100010" vr="PN" keyword="PatientName"><PersonName number="1">'
        "<Alphabetic><FamilyName>A</FamilyName><GivenName>B</GivenName></Alphabetic>"
        "<Phonetic><FamilyName>C</FamilyName></Phonetic></PersonName>"
        '<PersonName number="3"><Alphabetic><FamilyName>D</FamilyName></Alphabetic></PersonName></DicomAttribute>',
    ),
    (
        "items",
        long(0x00081140, b"SQ", as_items([b"", short(0x00080100, b"SH", b"1 ")])),
        '<DicomAttribute tag="00081140" vr="SQ" keyword="ReferencedImageSequence"><Item number="1"></Item>'
        '<Item number="2"><DicomAttribute tag="00080100" vr="SH" keyword="CodeValue"><Value number="1">1</Value>'
        "</DicomAttribute></Item></DicomAttribute>",
    ),
    (
        "a private attribute",
        short(0x00090010, b"LO", b'A"B ') + short(0x00091001, b"IS", b"7 "),
        '<DicomAttribute tag="00090010" vr="LO"><Value number="1">A"B</Value></DicomAttribute>'
        '<DicomAttribute tag="00091001" vr="IS" privateCreator=\'A"B\'><Value number="1">7</Value></DicomAttribute>',
    ),
    (
        "bulk data",
        long(0x00281201, b"OW", b"\1\2"),
        f'<DicomAttribute tag="00281201" vr="OW" keyword="RedPaletteColorLookupTableData">'
        f'<BulkData uri="{BASE.decode()}studies/{STUDY}/series/{SERIES}/instances/{INSTANCE}/bulk/00281201"/>'
        "</DicomAttribute>",
    ),
)


@pytest.mark.parametrize(("content", "expected"), [row[1:] for row in CONTENTS], ids=[row[0] for row in CONTENTS])
def test_attributes(content: bytes, expected: str) -> None:
    found = native_dicom_model(dicom_json(META + content, EXPLICIT, URIS)).decode()
    opening = '<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">'
    assert found == f'<?xml version="1.0" encoding="utf-8"?>\n{opening}{expected}</NativeDicomModel>\n'


def test_binary_values_may_be_inline() -> None:
    kept = dicom_json(META + long(0x00281201, b"OW", b"\1\2"), EXPLICIT, lambda *_: None)
    assert b"<InlineBinary>AQI=</InlineBinary>" in native_dicom_model(kept)


def test_it_is_xml() -> None:
    kept = dicom_json(native(bytes(72)), EXPLICIT, URIS)
    root = ET.fromstring(native_dicom_model(kept).replace(BASE, b"http://host/dicom-web/"))  # noqa: S314 - our own
    assert len(root) == kept.count(b'{"vr"')


@given(st.text())
def test_whatever_the_text_is_it_is_xml(text: str) -> None:
    value = text.encode("utf-8", "ignore")
    content = META + short(0x00080005, b"CS", b"ISO_IR 192") + long(0x00080070, b"UT", value)
    ET.fromstring(native_dicom_model(dicom_json(content, EXPLICIT, URIS)))  # noqa: S314 - our own
