"""A data set as Native DICOM Model (PS3.19 section A.1), made of its DICOM JSON (PS3.18 section F.3.1).

body = native_dicom_model(kept).replace(BASE, escape(public_url.base(headers)).encode())
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from framecache.dicom.model.attributes import is_private_creator
from framecache.dicom.model.dictionary import keyword

_ROOT = "NativeDicomModel"
_OPENING = f'<?xml version="1.0" encoding="utf-8"?>\n<{_ROOT} xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">'
_IMPOSSIBLE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # in XML 1.0 (section 2.2), even escaped
_ESCAPES = MappingProxyType({"\r": "&#13;"})  # parsers would take it for a line feed (section 2.11)
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_INFINITE = MappingProxyType({"1e9999": "inf", "-1e9999": "-inf"})


def native_dicom_model(kept: bytes) -> bytes:
    """What `dicom_json` made, as XML in UTF-8, with BASE where that has it."""
    # Numbers keep all their digits as text. BASE is no character that JSON allows.
    data_set = json.loads(kept, parse_float=_number, parse_int=str, strict=False)
    return f"{_OPENING}{_data_set(data_set)}</{_ROOT}>\n".encode()


def _number(text: str) -> str:
    return _INFINITE.get(text, text)


def _data_set(data_set: Mapping[str, Any]) -> str:
    return "".join([_attribute(tag, attribute, data_set) for tag, attribute in data_set.items()])


def _attribute(tag: str, attribute: Mapping[str, Any], data_set: Mapping[str, Any]) -> str:
    content = _content(attribute)
    opening = f'<DicomAttribute tag="{tag}" vr="{attribute["vr"]}"{_known(tag, data_set)}'
    return f"{opening}>{content}</DicomAttribute>" if content else f"{opening}/>"


def _known(tag: str, data_set: Mapping[str, Any]) -> str:
    """The keyword of a standard attribute, or who created a private one (PS3.19 table A.1.5-2)."""
    number = int(tag, 16)
    if name := keyword(number):
        return f" keyword={quoteattr(name)}"
    block = number >> 16 << 16 | number >> 8 & 0xFF
    if not is_private_creator(block):
        return ""
    creators = data_set.get(f"{block:08X}", {}).get("Value", [])
    return f" privateCreator={quoteattr(_text(str(creators[0])))}" if creators else ""


def _content(attribute: Mapping[str, Any]) -> str:
    if "BulkDataURI" in attribute:
        return f"<BulkData uri={quoteattr(attribute['BulkDataURI'])}/>"
    if "InlineBinary" in attribute:
        return f"<InlineBinary>{attribute['InlineBinary']}</InlineBinary>"
    write = _WRITERS.get(attribute["vr"], partial(_element, "Value"))
    return "".join([write(number, value) for number, value in enumerate(attribute.get("Value", ()), 1)])


def _element(name: str, number: int, value: str | None) -> str:
    return f'<{name} number="{number}">{_text(value or "")}</{name}>'


def _item(number: int, data_set: Mapping[str, Any]) -> str:
    return f'<Item number="{number}">{_data_set(data_set)}</Item>'


def _person_name(number: int, groups: Mapping[str, str]) -> str:
    names = "".join([f"<{group}>{_components(groups[group])}</{group}>" for group in _GROUPS if group in groups])
    return f'<PersonName number="{number}">{names}</PersonName>' if names else ""


def _components(name: str) -> str:
    parts = zip(_COMPONENTS, name.split("^"), strict=False)
    return "".join([f"<{component}>{_text(text)}</{component}>" for component, text in parts])


def _text(value: str) -> str:
    return escape(_IMPOSSIBLE.sub("", value), _ESCAPES)


_WRITERS: Mapping[str, Callable[[int, Any], str]] = MappingProxyType({"SQ": _item, "PN": _person_name})
