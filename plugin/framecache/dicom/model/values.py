"""The values of a data element as members of its DICOM JSON object (PS3.18 sections F.2.3 to F.2.5)."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from json.encoder import encode_basestring
from types import MappingProxyType

from framecache.dicom.model.character_sets import CharacterSet

Format = Callable[[bytes, CharacterSet], str]
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_BIG = 1e15  # as such numbers of IEEE 754 are written without their fraction


def _values(texts: list[str]) -> str:
    return f',"Value":[{",".join(texts)}]' if texts else ""


def _string(value: str) -> str:
    return encode_basestring(value) if value else "null"


def _text_of(value: bytes) -> bytes:
    """Up to a null, which pads UIDs and some writers' other text, without the spaces that pad the rest."""
    return value.partition(b"\0")[0].rstrip(b" ")


def strings(value: bytes, _: CharacterSet) -> str:
    """Of the default repertoire, one or more."""
    text = _text_of(value)
    return _values([_string(one) for one in text.decode("iso8859-1").split("\\")]) if text else ""


def texts(value: bytes, character_set: CharacterSet) -> str:
    """One or more."""
    text = _text_of(value)
    return _values([_string(one) for one in character_set.decode(text).split("\\")]) if text else ""


def text(value: bytes, character_set: CharacterSet) -> str:
    """A single one, in which a backslash is a character."""
    one = _text_of(value)
    return _values([_string(character_set.decode(one))]) if one else ""


def person_names(value: bytes, character_set: CharacterSet) -> str:
    """With their component groups."""
    names = _text_of(value)
    return _values([_person_name(one) for one in character_set.decode(names).split("\\")]) if names else ""


_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def _person_name(name: str) -> str:
    if not name:
        return "{}"
    groups = zip(_GROUPS, name.split("="), strict=False)
    return "{" + ",".join(f'"{group}":{encode_basestring(text)}' for group, text in groups) + "}"


def decimal_strings(value: bytes, _: CharacterSet) -> str:
    """As they are, but for spaces around them: numbers of JSON would lose digits (PS3.18 section F.2.3)."""
    text = _text_of(value)
    return _values([_string(one.strip()) for one in text.decode("iso8859-1").split("\\")]) if text else ""


def integer_strings(value: bytes, _: CharacterSet) -> str:
    """As numbers; what is none is left out."""
    text = _text_of(value)
    if not text:
        return ""
    found = [one.strip() for one in text.decode("iso8859-1").split("\\")]
    return f',"Value":[{",".join(_integer(one) for one in found if not one or _INTEGER.fullmatch(one))}]'


def _integer(text: str) -> str:
    return str(int(text)) if text else "null"


def numbers(code: str, order: str) -> Format:
    """Binary integers, of a format character of `struct`."""
    one = struct.Struct(order + code)

    def of(value: bytes, _: CharacterSet) -> str:
        if len(value) == one.size:
            return f',"Value":[{one.unpack(value)[0]}]'
        whole = len(value) - len(value) % one.size
        return _values([str(number) for (number,) in one.iter_unpack(value[:whole])])

    return of


def floats(code: str, order: str) -> Format:
    """Binary floating point numbers."""
    one = struct.Struct(order + code)

    def of(value: bytes, _: CharacterSet) -> str:
        whole = len(value) - len(value) % one.size
        return _values([_float(number) for (number,) in one.iter_unpack(value[:whole])])

    return of


def _float(number: float) -> str:
    if number.is_integer() and abs(number) < _BIG:
        return str(int(number))
    if number != number:  # noqa: PLR0124 - not a number
        return "null"
    return {"inf": "1e9999", "-inf": "-1e9999"}.get(text := repr(number), text)


def tags(order: str) -> Format:
    """Of AT."""
    one = struct.Struct(order + "HH")

    def of(value: bytes, _: CharacterSet) -> str:
        whole = len(value) - len(value) % one.size
        return _values([f'"{group:04X}{number:04X}"' for group, number in one.iter_unpack(value[:whole])])

    return of


def formats(order: str) -> MappingProxyType[str, Format]:
    """By VR; those that are binary, or sequences, are not among them. `order` is "<" or ">"."""
    binary = {"SS": "h", "US": "H", "SL": "l", "UL": "L", "SV": "q", "UV": "Q"}
    return MappingProxyType(
        {
            **dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "TM", "UI"), strings),
            **dict.fromkeys(("LO", "SH", "UC"), texts),
            **dict.fromkeys(("LT", "ST", "UT", "UR"), text),
            "PN": person_names,
            "DS": decimal_strings,
            "IS": integer_strings,
            "AT": tags(order),
            "FL": floats("f", order),
            "FD": floats("d", order),
            **{vr: numbers(code, order) for vr, code in binary.items()},
        }
    )


FORMATS = MappingProxyType({order: formats(order) for order in "<>"})
_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})


def is_binary(vr: str) -> bool:
    return vr in _BINARY
