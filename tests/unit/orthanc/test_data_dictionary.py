"""The attributes that a site adds to Orthanc's dictionary."""

from __future__ import annotations

import pytest
from framecache.orthanc.data_dictionary import data_dictionary

ROWS = {
    "0014,1020": ["DA", "ValidationExpiryDate", 1, 1],
    "70531000": ["ST", "Thing", 1, 1, "A SITE"],
    "00e1,c2": ["LT", "NumberOfReferences", 1, 1, "ELSCINT1"],
    "patient": ["LO", "Patient"],
    "0014,1022": "DA",
}
VRS = (
    (0x00141020, "", "DA"),
    (0x70531100, "A SITE", "ST"),
    (0x00E110C2, "ELSCINT1", "LT"),
    (0x70531000, "Philips PET Private Group", "DS"),
    (0x00141022, "", "UN"),
    (0x00280010, "", "US"),
)


@pytest.mark.parametrize(("tag", "creator", "vr"), VRS)
def test_vrs(tag: int, creator: str, vr: str) -> None:
    assert data_dictionary({"Dictionary": ROWS}).vr(tag, creator, is_signed=False) == vr


def test_private_attributes_may_be_unknown() -> None:
    dictionary = data_dictionary({"LoadPrivateDictionary": False, "Dictionary": "none"})
    assert dictionary.vr(0x70531000, "Philips PET Private Group", is_signed=False) == "UN"
