"""Text in the character sets of Specific Character Set (0008,0005) (PS3.3 section C.12.1.1.2, PS3.5 section 6.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

DEFAULT_REPERTOIRE = "ISO_IR 6"
_ESCAPE = b"\x1b"
# The defined terms and Python's codecs.
_SINGLE = MappingProxyType(
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
    }
)
# By escape sequence (PS3.3 tables C.12-3 and C.12-4): the codec, and what it wants before the bytes that follow.
_BY_ESCAPE = MappingProxyType(
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
# In front of these the initial character set is active again (PS3.5 section 6.1.2.5.3).
_DELIMITED = re.compile(rb"([\\^=\t\n\f\r]+)")


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """How the text of a data set is decoded: a codec, or several with escape sequences between them."""

    codec: str
    has_code_extensions: bool = False

    def decode(self, value: bytes) -> str:
        """Bytes that are none of the character set become U+FFFD."""
        if self.has_code_extensions and _ESCAPE in value:
            return "".join(self._pieces(value))
        return value.decode(self.codec, "replace")

    def _pieces(self, value: bytes) -> Iterator[str]:
        initial, *escaped = value.partition(_ESCAPE)
        yield initial.decode(self.codec, "replace")
        for sequence, text in _ESCAPED.findall(b"".join(escaped)):
            codec, prefix = _BY_ESCAPE.get(sequence, (self.codec, b""))
            yield (prefix + text).decode(codec, "replace")


@lru_cache(256)
def character_set(terms: Sequence[str], default: str = DEFAULT_REPERTOIRE) -> CharacterSet:
    """The one that the values of (0008,0005) name; `default` is a defined term for a data set that names none."""
    first = _normal(terms[0]) if terms and terms[0] else default
    return CharacterSet(_SINGLE.get(first, "iso8859-1"), len(terms) > 1 or first != _plain(terms, default))


def _plain(terms: Sequence[str], default: str) -> str:
    return terms[0] if terms and terms[0] else default


def _normal(term: str) -> str:
    """Without code extensions, and as the standard spells it: `ISO 2022 IR 100` is `ISO_IR 100`."""
    number = re.fullmatch(r"ISO[ _-]?(?:2022[ _-]?)?IR[ _-]?(\d+)", term.strip())
    return f"ISO_IR {number[1]}" if number else term.strip()
