"""Text in the character sets of the standard, and of some writers."""

from __future__ import annotations

import pytest
from framecache.dicom.model.character_sets import DEFAULT_REPERTOIRE, character_set_of
from hypothesis import given
from hypothesis import strategies as st

# PS3.5 annexes H, I, J and K have the names.
TEXTS = (
    ("default", b"", b"M\xfcller", "Mller"),
    ("empty in the list", b"\\ISO 2022 IR 100", b"M\x1b-A\xfcller", "Müller"),
    ("Latin 1", b"ISO_IR 100", b"M\xfcller", "Müller"),
    ("Latin 1 with extensions", b"ISO 2022 IR 100", b"M\xfcller", "Müller"),
    ("Latin 2", b"ISO_IR 101", b"\xb1\xe6", "ąć"),
    ("Cyrillic", b"ISO_IR 144", b"\xbb\xee", "Лю"),
    ("Arabic", b"ISO_IR 127", b"\xe2\xc8", "قب"),
    ("Greek", b"ISO_IR 126", b"\xc4\xe9", "Δι"),
    ("Hebrew", b"ISO_IR 138", b"\xf9\xf8", "שר"),
    ("Turkish", b"ISO_IR 148", b"\xdd\xf0", "İğ"),
    ("Latin 9", b"ISO_IR 203", b"\xa4", "€"),
    ("Thai", b"ISO_IR 166", b"\xa1\xd2", "กา"),
    ("katakana", b"ISO_IR 13", b"\xd4\xcf\xc0\xde", "ﾔﾏﾀﾞ"),
    ("UTF-8", b"ISO_IR 192", "Wang=王".encode(), "Wang=王"),
    ("GB 18030", b"GB18030", "王𠀀".encode("gb18030"), "王𠀀"),
    ("GBK", b"GBK", "小东".encode("gbk"), "小东"),
    ("kanji", b"\\ISO 2022 IR 87", b"Yamada=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada=山田^太郎"),
    ("katakana and kanji", b"ISO 2022 IR 13\\ISO 2022 IR 87", b"\xd4\xcf=\x1b$B;3\x1b(J^\x1b$BED\x1b(J", "ﾔﾏ=山^田"),
    ("more kanji", b"\\ISO 2022 IR 159", b"A=\x1b$(D\x30\x21\x1b(B", "A=丂"),
    ("Korean", b"\\ISO 2022 IR 149", b"Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce", "Hong=洪^吉"),
    ("Chinese", b"\\ISO 2022 IR 58", b"Zhang=\x1b$)A\xd5\xc5^", "Zhang=张^"),
    ("two of 8 bits", b"ISO 2022 IR 100\\ISO 2022 IR 144", b"\xfc^\x1b-L\xbb\x1b-A\xfc", "ü^Лü"),
    ("misspelled", b"iso-ir 144 ", b"\xbb", "Л"),
    ("unknown", b"KLINGON", b"M\xfcller", "Mller"),
    ("bytes that are no characters", b"ISO_IR 192", b"M\xfcller", "Mller"),
    ("an unknown escape sequence", b"\\ISO 2022 IR 87", b"A\x1b$ZB", "AB"),
)


@pytest.mark.parametrize(("terms", "value", "text"), [row[1:] for row in TEXTS], ids=[row[0] for row in TEXTS])
def test_text(terms: bytes, value: bytes, text: str) -> None:
    assert character_set_of(terms, DEFAULT_REPERTOIRE).decode(value) == text


def test_a_data_set_that_names_none_has_the_default() -> None:
    assert character_set_of(b"", "ISO_IR 144").decode(b"\xbb") == "Л"
    assert character_set_of(b"ISO_IR 100", "ISO_IR 144").decode(b"\xbb") == "»"


def test_a_backslash_of_romaji_is_a_yen_sign_unless_it_separates_values() -> None:
    romaji = character_set_of(b"ISO_IR 13", DEFAULT_REPERTOIRE)
    assert (romaji.decode(b"A\\B"), romaji.decode_one(b"A\\B")) == ("A\\B", "A¥B")


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_whatever_the_bytes_are_there_is_text(terms: bytes, value: bytes) -> None:
    character_set_of(terms, DEFAULT_REPERTOIRE).decode(b"\x1b" + value).encode()
