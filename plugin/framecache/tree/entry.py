"""An entry of the log: records of instances of one series, which share what their metadata has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from framecache.tree.errors import Damaged
from framecache.tree.json_object import compressed, decompressed, encoded, object_text, text_of
from framecache.tree.layout import digest, file_name, log_of_series
from framecache.tree.record import Metadata, Record, metadata_of


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
        content = encoded(self._text())
        return f"{log_of_series(file_name(self.study), file_name(self.series))}/{digest(content)}", compressed(content)

    def _text(self) -> str:
        shared = _shared([record.metadata for record in self.records])
        text = object_text(shared)
        name = {"shared": text_of(digest(encoded(text)))} if shared else {}
        records = [_record_text(record, shared, name) for record in self.records]
        members = {
            "kind": text_of("instances"),
            "study": text_of(self.study),
            "series": text_of(self.series),
            "records": f"[{','.join(records)}]",
        }
        return object_text(members | ({"shared": f"{{{name['shared']}:{text}}}"} if shared else {}))

    @classmethod
    def decode(cls, content: bytes, name: str) -> Self:
        """Raises Damaged."""
        members = decompressed(content, name)
        try:
            study, series = members["study"], members["series"]
            shared = {name: metadata_of(elements) for name, elements in members.get("shared", {}).items()}
            records = [
                Record.from_json(
                    study, series, record, {**shared.get(record.get("shared"), {}), **metadata_of(record["metadata"])}
                )
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


def _record_text(record: Record, shared: Metadata, name: Mapping[str, str]) -> str:
    own = {tag: element for tag, element in record.metadata.items() if tag not in shared}
    members = {member: text_of(value) for member, value in record.to_json().items()}
    return object_text({**members, **name, "metadata": object_text(own)})
