"""An entry of the log: records of instances of one series, which share what their metadata has in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from framecache.tree.errors import Damaged
from framecache.tree.json_object import canonical, compressed, decompressed
from framecache.tree.layout import digest, file_name, log_of_series
from framecache.tree.record import Metadata, Record


@dataclass(frozen=True, slots=True)
class Entry:
    """Records of one series, in the order of their instances and versions: equal sets have equal bytes."""

    study: str
    series: str
    records: tuple[Record, ...]

    @classmethod
    def of(cls, records: Sequence[Record]) -> Self:
        """Of records of one series."""
        path = records[0].path
        in_order = sorted(records, key=lambda record: (record.path.sop_instance_uid, record.rank))
        return cls(path.study_instance_uid, path.series_instance_uid, tuple(in_order))

    def encode(self) -> tuple[str, bytes]:
        """Its key and its content."""
        content = canonical(self.to_json())
        return f"{log_of_series(file_name(self.study), file_name(self.series))}/{digest(content)}", compressed(content)

    def to_json(self) -> dict[str, Any]:
        shared = _shared([record.metadata for record in self.records])
        records = [{**record.to_json(), "metadata": _without(record.metadata, shared)} for record in self.records]
        common = {"shared": {digest(canonical(shared)): shared}} if shared else {}
        names = {"shared": next(iter(common["shared"]))} if common else {}
        return {
            "kind": "instances",
            "study": self.study,
            "series": self.series,
            "records": [{**record, **names} for record in records],
            **common,
        }

    @classmethod
    def decode(cls, content: bytes, name: str) -> Self:
        """Raises Damaged."""
        members = decompressed(content, name)
        try:
            study, series, shared = members["study"], members["series"], members.get("shared", {})
            records = [
                Record.from_json(study, series, record, {**shared.get(record.get("shared"), {}), **record["metadata"]})
                for record in members["records"]
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise Damaged(f"{name} is no entry of instances") from error
        return cls(study, series, tuple(records))


def _shared(all_metadata: Sequence[Metadata]) -> Metadata:
    """The elements that all of them have with the same value; none if there is only one."""
    first, *others = all_metadata
    if not others:
        return {}
    shared = dict(first)
    for metadata in others:
        shared = {tag: element for tag, element in shared.items() if metadata.get(tag) == element}
    return shared


def _without(metadata: Metadata, shared: Metadata) -> Metadata:
    return {tag: element for tag, element in metadata.items() if tag not in shared}
