"""The character set of data sets that name none."""

from __future__ import annotations

import pytest
from framecache.dicom.model.character_sets import character_set_of
from framecache.orthanc.default_encoding import default_character_set


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (None, "Bj\u00f6rn"),
        ("Latin1", "Bj\u00f6rn"),
        ("Utf8", "Bj\u00f6rn"),
        ("Cyrillic", "\u041b\u044e\u043ac"),
        ("Windows1251", "\u041b\u044e\u043ac"),
        ("Korean", "\ud64d"),
        ("SimplifiedChinese", "\u5f20"),
        ("Greek", "\u0394\u03b9\u03bf"),
        ("unknown", "Bj\u00f6rn"),
        (5, "Bj\u00f6rn"),
    ],
)
def test_orthanc_s_name_of_an_encoding_is_a_defined_term(setting: object, text: str) -> None:
    codecs = {"Utf8": "utf-8", "Cyrillic": "iso8859-5", "Greek": "iso8859-7", "Windows1251": "cp1251"}
    codecs |= {"Korean": "euc_kr", "SimplifiedChinese": "gb2312"}
    written = text.encode(codecs.get(str(setting), "iso8859-1"))

    assert character_set_of(b"", default_character_set(setting)).decode(written) == text
