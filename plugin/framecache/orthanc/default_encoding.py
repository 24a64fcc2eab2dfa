"""Orthanc's setting "DefaultEncoding": the character set of text in data sets that name none."""

from __future__ import annotations

from types import MappingProxyType

_LATIN_1 = "ISO_IR 100"
# The defined terms of PS3.3 section C.12.1.1.2; Windows-1251 has none.
_TERMS = MappingProxyType(
    {
        "Ascii": "ISO_IR 6",
        "Utf8": "ISO_IR 192",
        "Latin1": _LATIN_1,
        "Latin2": "ISO_IR 101",
        "Latin3": "ISO_IR 109",
        "Latin4": "ISO_IR 110",
        "Latin5": "ISO_IR 148",
        "Cyrillic": "ISO_IR 144",
        "Windows1251": "WINDOWS-1251",
        "Arabic": "ISO_IR 127",
        "Greek": "ISO_IR 126",
        "Hebrew": "ISO_IR 138",
        "Thai": "ISO_IR 166",
        "Japanese": "ISO_IR 13",
        "Chinese": "GB18030",
        "Korean": "ISO 2022 IR 149",
        "JapaneseKanji": "ISO 2022 IR 87",
        "SimplifiedChinese": "ISO 2022 IR 58",
    }
)


def default_character_set(setting: object) -> str:
    """The defined term for a value of the setting; Latin-1 without one, as in Orthanc."""
    return _TERMS.get(setting, _LATIN_1) if isinstance(setting, str) else _LATIN_1
