"""The index of a bucket: immutable segments, named by their content, of statements about objects.

`.framecache/segments/<SHA-256 of the JSON>` is JSON in gzip format:

    {"format": "framecache-segment", "version": 1, "objects": [{"key", "modified", "eTag", "size",
     "sequence"?, "removed"?: true,
     "instance"?: {"values": {keyword: value}, "transferSyntax", "pixelDataOffset"?, "frames"?: base64}}]}

All segments that there are make the index. Of the statements about a key that with the latest `modified` counts, the
bucket's own time in seconds; then that with the greatest `sequence`, a removal, the greatest eTag: it does not matter
who wrote a segment, when, or how often. An object without an `instance` is no DICOM instance.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from framecache.client.index.reading import Record
from framecache.tree.errors import Damaged
from framecache.tree.json_object import canonical, compressed, decompressed
from framecache.tree.layout import digest

FOLDER = ".framecache/segments"
_FORMAT = {"format": "framecache-segment", "version": 1}


@dataclass(frozen=True, slots=True)
class Statement:
    """What an object was when somebody looked: `modified` is the bucket's time of it, in ISO 8601, UTC."""

    key: str
    modified: str
    e_tag: str
    size: int
    record: Record | None = None
    is_removed: bool = False
    sequence: int = 0

    @property
    def rank(self) -> tuple[str, int, bool, str]:
        """Of two statements about a key the one with the greater rank is true."""
        return self.modified, self.sequence, self.is_removed, self.e_tag

    def after(self, known: Statement | None) -> Statement:
        """The same with a greater rank than what was known, where the bucket's time is too coarse to tell."""
        if known is None or known.modified != self.modified or known == self:
            return self
        return replace(self, sequence=known.sequence + 1)

    def to_json(self) -> dict[str, Any]:
        """Its members."""
        members: dict[str, Any] = {"key": self.key, "modified": self.modified, "eTag": self.e_tag, "size": self.size}
        if self.sequence:
            members["sequence"] = self.sequence
        if self.is_removed:
            members["removed"] = True
        if self.record is not None:
            members["instance"] = _instance(self.record)
        return members

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError, ValueError."""
        found = members.get("instance")
        record = None if found is None else _record(found)
        is_removed = bool(members.get("removed"))
        sequence = int(members.get("sequence", 0))
        place = (members["key"], members["modified"], members["eTag"], int(members["size"]))
        return cls(*place, record, is_removed, sequence)


def encode(statements: Iterable[Statement]) -> tuple[str, bytes]:
    """The key of a segment, and its content."""
    objects = [one.to_json() for one in sorted(statements, key=lambda one: one.key)]
    content = canonical({**_FORMAT, "objects": objects})
    return f"{FOLDER}/{digest(content)}", compressed(content)


def decode(content: bytes, name: str) -> list[Statement]:
    """Raises Damaged."""
    members = decompressed(content, name)
    try:
        return [Statement.from_json(one) for one in members["objects"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Damaged(f"{name} is no segment of an index") from error


def _instance(record: Record) -> dict[str, Any]:
    members: dict[str, Any] = {"values": dict(record.values), "transferSyntax": record.transfer_syntax_uid}
    if record.pixel_data_offset is not None:
        members["pixelDataOffset"] = record.pixel_data_offset
    if record.frame_index is not None:
        members["frames"] = base64.b64encode(record.frame_index).decode()
    return members


def _record(members: Mapping[str, Any]) -> Record:
    frames = members.get("frames")
    index = None if frames is None else base64.b64decode(frames)
    return Record(dict(members["values"]), members["transferSyntax"], members.get("pixelDataOffset"), index)
