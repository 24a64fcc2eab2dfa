"""Records of an archive as rows of an index."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from framecache.client.collection import StoredInstance
from framecache.client.index.reading import Record as Row
from framecache.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from framecache.dicomweb.attributes import ATTRIBUTES, NESTED, KeyAttribute
from framecache.dicomweb.matching import key_of
from framecache.tree.json_object import canonical
from framecache.tree.record import Record
from framecache.tree.view import Shown

_STORED = tuple(one for one in ATTRIBUTES if not one.is_computed)
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def row_of(shown: Shown) -> Row:
    """What an index says of an instance; in the place of an index of frames, the record, without its metadata."""
    metadata = shown.metadata()
    elements = ((one, json.loads(metadata[one.hex_tag])) for one in _STORED if one.hex_tag in metadata)
    values = {one.keyword: _value(one, element) for one, element in elements}
    return Row(values, rebuilt_syntax(shown.record), None, _packed(shown.record))


def rebuilt_syntax(record: Record) -> str:
    """The transfer syntax in which an archive has an instance: that of its frames; of metadata, Explicit VR."""
    return record.frames_transfer_syntax_uid or EXPLICIT_VR_LITTLE_ENDIAN


def record_of(instance: StoredInstance) -> Record:
    """The record in a row of the index. Raises Damaged."""
    members = json.loads(zlib.decompress(instance.frame_index or b""))
    return Record.from_json(members["study"], members["series"], members, {})


def keys_of(attribute: KeyAttribute, element: Mapping[str, Any]) -> Iterator[str]:
    """What searches compare, of an element in DICOM JSON."""
    for value in element.get("Value") or ():
        if isinstance(value, dict):
            yield from (key_of(attribute.vr, value[group]) for group in _GROUPS if value.get(group))
        elif value is not None:
            yield key_of(attribute.vr, str(value))


def _packed(record: Record) -> bytes:
    home = {"study": record.path.study_instance_uid, "series": record.path.series_instance_uid}
    return zlib.compress(canonical({**record.to_json(), **home}), 1)


def _value(attribute: KeyAttribute, element: Mapping[str, Any]) -> str | int:
    values = element.get("Value") or []
    if attribute.vr == "SQ":
        return json.dumps([_item(item) for item in values], ensure_ascii=False)
    if attribute.vr == "US":
        return int(values[0]) if values else ""
    return "\\".join(map(_text, values))


def _item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {one.hex_tag: item[one.hex_tag] for one in NESTED if one.hex_tag in item}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "=".join(value.get(group, "") for group in _GROUPS).rstrip("=")
    return "" if value is None else str(value)
