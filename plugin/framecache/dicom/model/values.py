"""The values of a data element as members of its DICOM JSON object (PS3.18 sections F.2.3 to F.2.5)."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from json.encoder import encode_basestring
from types import MappingProxyType

from framecache.dicom.model.character_sets import CharacterSet

Format = Callable[[bytes, CharacterSet], str]
# PS3.5 section 6.2; so long, because Python converts no more than 4,300 digits.
_INTEGER = re.compile(r"[+-]?[0-9]{1,64}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_EXACT = 1 << 53  # so far all whole numbers are floating point numbers


def _values(members: list[str]) -> str:
    return f',"Value":[{",".join(members)}]'


def _string(value: str) -> str:
    return encode_basestring(value) if value else "null"


def _without_padding(value: bytes) -> bytes:
    """Up to a null, which pads UIDs and some writers' other text, and without the spaces that pad all else."""
    return value.partition(b"\0")[0].rstrip(b" ")


def strings(value: bytes, character_set: CharacterSet) -> str:
    """One or more."""
    text = _without_padding(value)
    return _values([_string(one) for one in character_set.decode(text).split("\\")]) if text else ""


def text(value: bytes, character_set: CharacterSet) -> str:
    """A single one, in which a backslash is a character."""
    one = _without_padding(value)
    return _values([_string(character_set.decode_one(one))]) if one else ""


def uids(value: bytes, character_set: CharacterSet) -> str:
    """Without the spaces that some writers pad them with."""
    return strings(value.replace(b" ", b""), character_set)


def person_names(value: bytes, character_set: CharacterSet) -> str:
    """With their component groups, those that are not empty."""
    names = _without_padding(value)
    return _values([_person_name(one) for one in character_set.decode(names).split("\\")]) if names else ""


_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def _person_name(name: str) -> str:
    groups = zip(_GROUPS, name.split("="), strict=False)
    return "{" + ",".join([f'"{group}":{encode_basestring(text)}' for group, text in groups if text]) + "}"


def decimal_strings(value: bytes, _: CharacterSet) -> str:
    """With all their digits, which numbers of JSON might not keep; null for what is no number."""
    text = _without_padding(value).decode("iso8859-1")
    return _values([_decimal(one.strip(" ")) for one in text.split("\\")]) if text else ""


def _decimal(text: str) -> str:
    return f'"{text}"' if _DECIMAL.fullmatch(text) else "null"


def integer_strings(value: bytes, _: CharacterSet) -> str:
    """As numbers; null for what is none."""
    text = _without_padding(value).decode("iso8859-1")
    return _values([_integer(one.strip(" ")) for one in text.split("\\")]) if text else ""


def _integer(text: str) -> str:
    return str(int(text)) if _INTEGER.fullmatch(text) else "null"


def integers(code: str, order: str) -> Format:
    """Binary ones, of a format character of `struct`."""
    one = struct.Struct(order + code)

    def of(value: bytes, _: CharacterSet) -> str:
        whole = len(value) - len(value) % one.size
        return _values([str(number) for (number,) in one.iter_unpack(value[:whole])]) if whole else ""

    return of


def floats(code: str, order: str) -> Format:
    """Binary floating point numbers."""
    one = struct.Struct(order + code)

    def of(value: bytes, _: CharacterSet) -> str:
        whole = len(value) - len(value) % one.size
        return _values([_float(number) for (number,) in one.iter_unpack(value[:whole])]) if whole else ""

    return of


def _float(number: float) -> str:
    """As JSON has numbers: infinity is what each parser takes for it, and there is no "not a number"."""
    if number.is_integer() and abs(number) < _EXACT:
        return str(int(number))
    text = repr(number)
    return {"nan": "null", "inf": "1e9999", "-inf": "-1e9999"}.get(text, text)


def tags(order: str) -> Format:
    """Of AT."""
    one = struct.Struct(order + "HH")

    def of(value: bytes, _: CharacterSet) -> str:
        whole = len(value) - len(value) % one.size
        members = [f'"{group:04X}{number:04X}"' for group, number in one.iter_unpack(value[:whole])]
        return _values(members) if members else ""

    return of


_BINARY = MappingProxyType({"SS": "h", "US": "H", "SL": "l", "UL": "L", "SV": "q", "UV": "Q"})


def _formats(order: str) -> MappingProxyType[str, Format]:
    return MappingProxyType(
        {
            **dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "LO", "SH", "TM", "UC"), strings),
            **dict.fromkeys(("LT", "ST", "UT", "UR"), text),
            "UI": uids,
            "PN": person_names,
            "DS": decimal_strings,
            "IS": integer_strings,
            "AT": tags(order),
            "FL": floats("f", order),
            "FD": floats("d", order),
            **{vr: integers(code, order) for vr, code in _BINARY.items()},
        }
    )


# By byte order ("<" or ">") and VR; sequences and the VRs of bulk data are not among them.
FORMATS = MappingProxyType({order: _formats(order) for order in "<>"})
TEXTUAL = frozenset(FORMATS["<"]) - frozenset(_BINARY) - {"AT", "FL", "FD"}
