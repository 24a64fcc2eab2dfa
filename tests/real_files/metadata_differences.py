"""Where our DICOM JSON is not the stock plugin's, and why: a table.

Each row has to happen, and nothing else may.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from framecache.dicom.model.values import TEXTUAL

from tests.real_files.metadata import Finding

BOTH = ("trixie", "forky")
_SINGLE = frozenset({"LT", "ST", "UR", "UT"})
_OTHER_CHARACTERS = (
    "text in Latin 9",
    "text in a misspelled character set",
    "text in an unknown character set",
    "text in katakana and kanji",
    "text in more kanji",
    "text in Latin and Cyrillic",
)


@dataclass(frozen=True)
class MetadataDifference:
    """What is found for attributes of one kind; the other fields are said in the document."""

    attributes: str
    is_meant: Callable[[Finding], bool]
    ours: str
    stock: str
    reason: str
    suites: tuple[str, ...] = BOTH


def _is_left_out(finding: Finding) -> bool:
    return bool(finding.place) and finding.stock is None


def _are_numbers(finding: Finding) -> bool:
    stocks, own = finding.values(finding.stock), finding.values(finding.ours)
    return bool(own) and len(stocks) == len(own) and all(isinstance(one, int | float | None) for one in own)


def _is_unknown(finding: Finding) -> bool:
    return finding.name.startswith("unknown VR") or finding.name.endswith(
        ("explicit_VR-UN.dcm", "bad_sequence.dcm", "J2K_pixelrep_mismatch.dcm")
    )


def _is_padded(finding: Finding) -> bool:
    stocks, own = (str(finding.values(one)).replace(" ", "") for one in (finding.stock, finding.ours))
    return bool(finding.stock) and finding.vr in TEXTUAL and stocks == own


METADATA_DIFFERENCES = (
    MetadataDifference(
        "LT, ST, UR, UT with a backslash",
        lambda finding: finding.vr in _SINGLE and len(finding.values(finding.stock)) > 1,
        "one value",
        "several",
        "these VRs have one value (PS3.5 section 6.4)",
    ),
    MetadataDifference(
        "numbers near a whole one or above 2³²: FD, FL, IS, SV, UV",
        lambda finding: finding.vr in ("FD", "FL", "IS", "SV", "UV") and _are_numbers(finding),
        "as stored",
        "the whole number; 32 bits of it",
        "a number of JSON is the value (PS3.18 section F.2.3)",
    ),
    MetadataDifference(
        "DS and IS that are no numbers",
        lambda finding: finding.vr in ("DS", "IS") and None in finding.values(finding.ours),
        "null",
        "left out, and what is behind moves up",
        "the other values keep their places (PS3.18 section F.2.5)",
    ),
    MetadataDifference(
        "names with empty component groups",
        lambda finding: finding.vr == "PN" and '""' in str(finding.stock).replace("'", '"'),
        "without them",
        'with `""`',
        "only component groups that are not empty are encoded (PS3.18 section F.2.2)",
    ),
    MetadataDifference(
        "Specific Character Set with an empty first value",
        lambda finding: finding.tag == "00080005",
        "null, and the others",
        "the others",
        "it serves to reconstruct the data set (PS3.18 section F.2.2, note 3)",
    ),
    MetadataDifference(
        "text in ISO_IR 203, JIS X 0212, or several single-byte character sets; where the term is misspelled",
        lambda finding: finding.name in _OTHER_CHARACTERS and finding.tag != "00080005",
        "text",
        "other characters, or none",
        "these are character sets of the standard (PS3.3 section C.12.1.1.2)",
    ),
    MetadataDifference(
        "text in an item that has a Specific Character Set",
        lambda finding: finding.name == "a character set in an item",
        "in that",
        "in the data set's",
        "it applies to the item (PS3.3 section C.12.1.1.2)",
    ),
    MetadataDifference(
        "a backslash in ISO_IR 13",
        lambda finding: (
            "¥" in str(finding.stock) or (finding.vr == "DS" and finding.stock == {"vr": "DS", "Value": []})
        ),
        "separates values",
        "a yen sign",
        "05/12 separates values, whatever it looks like (PS3.18 section F.2.4)",
        ("trixie",),
    ),
    MetadataDifference(
        "numbers and words that are UN in the file",
        lambda finding: _is_unknown(finding) and finding.stock is None and finding.vr != "UN",
        "values",
        "left out; on forky, words are an error for the whole instance",
        "the dictionary has their VR (PS3.5 section 6.2.2)",
    ),
    MetadataDifference(
        "sequences that are UN in the file, and numbers that are in Big Endian",
        lambda finding: _is_left_out(finding) and finding.vr == "UN",
        "UN with `BulkDataURI`",
        "left out",
        "nobody knows their encoding (PS3.5 section 6.2.2)",
    ),
    MetadataDifference(
        "text that is UN in the file; on trixie CS of several values",
        _is_padded,
        "without padding",
        "with it",
        "padding is no part of the value (PS3.5 section 6.2)",
    ),
    MetadataDifference(
        "OV, SV, UV",
        lambda finding: _is_left_out(finding) and finding.vr in ("OV", "SV", "UV"),
        "`Value` or `BulkDataURI`",
        "left out",
        "it does not know these VRs",
        ("trixie",),
    ),
    MetadataDifference(
        "OD, OF, OL",
        lambda finding: finding.vr in ("OD", "OF", "OL") and bool(finding.values(finding.stock)),
        "`BulkDataURI`",
        "`Value`",
        "they are binary (PS3.18 section F.2.2)",
        ("trixie",),
    ),
    MetadataDifference(
        "empty items at the end of a sequence",
        lambda finding: (
            finding.vr == "SQ" and {} in finding.values(finding.ours) and finding.name != "encapsulated icon"
        ),
        "empty objects",
        "left out",
        "an item is an object (PS3.18 section F.2.2)",
        ("trixie",),
    ),
    MetadataDifference(
        "an empty item between others",
        lambda finding: finding.name == "sequences",
        "an empty object",
        "an error for the whole instance",
        "an item is an object (PS3.18 section F.2.2)",
        ("trixie",),
    ),
    MetadataDifference(
        "an icon's encapsulated pixel data",
        lambda finding: finding.name == "encapsulated icon",
        "left out",
        "left out with its sequence, if nothing else is in it",
        "the other attributes are there",
    ),
    MetadataDifference(
        "pixel data of a deflated data set",
        lambda finding: finding.tag == "7FE00010" and finding.stock is None,
        "`BulkDataURI`",
        "left out",
        "it is there",
    ),
    MetadataDifference(
        "pixel data without pixels",
        lambda finding: finding.ours == {"vr": "OW"},
        "no value",
        "`BulkDataURI`",
        "an empty value has none (PS3.18 section F.2.5)",
    ),
    MetadataDifference(
        "OB or OW, in Implicit VR",
        lambda finding: finding.vr == "OW" and (finding.stock or {}).get("vr") == "OB",
        "OW",
        "OB",
        "so it is in Implicit VR (PS3.5 section A.1)",
    ),
    MetadataDifference(
        "private attributes, in Implicit VR or UN in the file",
        lambda finding: finding.name == "implicit, private to PET",
        "the VR in pydicom's dictionary",
        "the VR in DCMTK's, or UN",
        "pydicom's has more of them",
    ),
    MetadataDifference(
        "elements of group 0002 in the data set",
        lambda finding: finding.tag.startswith("0002"),
        "left out",
        "there",
        "they belong to the file (PS3.10 section 7.1)",
    ),
)
