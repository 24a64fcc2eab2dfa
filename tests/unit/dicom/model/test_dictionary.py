"""What is known of tags."""

from __future__ import annotations

import subprocess
import sys

import pytest
from framecache.dicom.model.dictionary import STANDARD, Dictionary, keyword

KEYWORDS = ((0x00100010, "PatientName"), (0x60020010, "OverlayRows"), (0x00091001, ""), (0x12345678, ""))


@pytest.mark.parametrize(("tag", "name"), KEYWORDS)
def test_keywords(tag: int, name: str) -> None:
    assert keyword(tag) == name


def test_an_attribute_of_the_site_may_be_a_standard_one() -> None:
    own = Dictionary([(0x00280010, "", "SS"), (0x00290010, "", "ST")])
    assert own.vr(0x00280010, "", is_signed=False) == "SS"
    assert STANDARD.vr(0x00280010, "", is_signed=False) == "US"


def test_the_tables_are_read_without_numpy() -> None:
    """It takes a second and 80 MB, in Orthanc's own process."""
    program = (
        "import sys; from framecache.dicom.model.dictionary import STANDARD, keyword;"
        "STANDARD.vr(0x91027, 'GEMS_IDEN_01', is_signed=False); keyword(0x100010);"
        "sys.exit(bool({'numpy', 'pydicom'} & {*sys.modules}))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd="plugin")
