"""Text in the character sets of Specific Character Set (0008,0005) (PS3.3 section C.12.1.1.2, PS3.5 section 6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

DEFAULT_REPERTOIRE = "ISO_IR 6"
LATIN_1 = "ISO_IR 100"  # what Orthanc takes files to be in that name none: its DefaultEncoding
_ESCAPE = b"\x1b"
_ROMAJI = "shift_jis"
# The defined terms (PS3.3 tables C.12-2 and C.12-5) and Python's codecs.
_CODECS = MappingProxyType(
    {
        "ISO_IR 6": "ascii",
        "ISO_IR 100": "iso8859-1",
        "ISO_IR 101": "iso8859-2",
        "ISO_IR 109": "iso8859-3",
        "ISO_IR 110": "iso8859-4",
        "ISO_IR 144": "iso8859-5",
        "ISO_IR 127": "iso8859-6",
        "ISO_IR 126": "iso8859-7",
        "ISO_IR 138": "iso8859-8",
        "ISO_IR 148": "iso8859-9",
        "ISO_IR 203": "iso8859-15",
        "ISO_IR 13": "shift_jis",
        "ISO_IR 166": "iso8859-11",
        "ISO_IR 192": "utf-8",
        "GB18030": "gb18030",
        "GBK": "gbk",
        # In the first place only if the writer is wrong, or a site's default for text without escape sequences.
        "ISO_IR 149": "euc_kr",
        "ISO_IR 58": "gb2312",
        # No term of the standard, but such text is in archives.
        "WINDOWS-1251": "cp1251",
    }
)
# By escape sequence (PS3.3 tables C.12-3 and C.12-4): the codec, and what it needs in front of the bytes that follow.
_ESCAPED_CODECS = MappingProxyType(
    {
        b"(B": ("ascii", b""),
        b"-A": ("iso8859-1", b""),
        b"-B": ("iso8859-2", b""),
        b"-C": ("iso8859-3", b""),
        b"-D": ("iso8859-4", b""),
        b"-L": ("iso8859-5", b""),
        b"-G": ("iso8859-6", b""),
        b"-F": ("iso8859-7", b""),
        b"-H": ("iso8859-8", b""),
        b"-M": ("iso8859-9", b""),
        b"-b": ("iso8859-15", b""),
        b"-T": ("iso8859-11", b""),
        b")I": ("shift_jis", b""),
        b"(J": ("shift_jis", b""),
        b"$B": ("iso2022_jp_2", b"\x1b$B"),
        b"$@": ("iso2022_jp_2", b"\x1b$@"),
        b"$(D": ("iso2022_jp_2", b"\x1b$(D"),
        b"$)C": ("euc_kr", b""),
        b"$)A": ("gb2312", b""),
    }
)
_ESCAPED = re.compile(rb"\x1b(\$?[()\-]?[@-~])([^\x1b]*)", re.DOTALL)
_ISO = re.compile(r"ISO[ _-]?(?:2022[ _-]?)?IR[ _-]?(\d+)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: it is part of the key under which text is kept
class CharacterSet:
    """The codec of a data set's text, and whether escape sequences may switch to others."""

    codec: str
    has_code_extensions: bool

    def decode(self, value: bytes) -> str:
        """The text, without the bytes that are none in this character set, as in the stock plugin's answers."""
        if self.has_code_extensions and _ESCAPE in value:
            return "".join(self._pieces(value))
        return value.decode(self.codec, "ignore")

    def decode_one(self, value: bytes) -> str:
        """The text of a value that cannot be one of several: then a backslash is the yen sign of JIS X 0201."""
        text = self.decode(value)
        return text.replace("\\", "¥") if self.codec == _ROMAJI and not self.has_code_extensions else text

    def _pieces(self, value: bytes) -> Iterator[str]:
        initial, _, _ = value.partition(_ESCAPE)
        yield initial.decode(self.codec, "ignore")
        for sequence, text in _ESCAPED.findall(value):
            codec, prefix = _ESCAPED_CODECS.get(sequence, (self.codec, b""))
            yield (prefix + text).decode(codec, "ignore")


def character_set_of(value: bytes, default: str) -> CharacterSet:
    """The one that a value of (0008,0005) names; `default` is a defined term for data sets that name none."""
    return _character_set(value.rstrip(b" \0").decode("iso8859-1"), default)


@lru_cache(256)
def _character_set(value: str, default: str) -> CharacterSet:
    terms = [term.strip() for term in value.split("\\")]
    first = terms[0] or (default if len(terms) == 1 else DEFAULT_REPERTOIRE)
    has_code_extensions = len(terms) > 1 or "2022" in first
    return CharacterSet(_CODECS.get(_canonical(first), "ascii"), has_code_extensions)


def _canonical(term: str) -> str:
    """Without code extensions, and spelled as in the standard: `iso 2022-ir 100` is `ISO_IR 100`."""
    found = _ISO.fullmatch(term)
    return f"ISO_IR {found[1]}" if found else term.upper()
