"""Puts frames where the web view shows their instances, if they are not there: after a replacement or a correction.

Nothing is lost: what is overwritten or taken away is copied before to where its record finds it.
"""

from __future__ import annotations

import re
from concurrent.futures import Executor
from dataclasses import dataclass

import xxhash

from framecache.dicom.identity import InstancePath
from framecache.tree import layout
from framecache.tree.errors import Damaged, Missing
from framecache.tree.headers import Headers
from framecache.tree.layout import TRAILER, part_header
from framecache.tree.objects import Objects
from framecache.tree.record import Record
from framecache.tree.view import Shown

# Within a JSON string its quotes would be escaped.
_BULK_DATA = re.compile(r'"BulkDataURI":"bulkdata/([0-9a-f]{64}(?:\.[0-9a-z]{1,8})?)"')  # a video's has a suffix


@dataclass(frozen=True, slots=True)
class Publication:
    """Raises Unreachable."""

    objects: Objects
    pool: Executor

    def is_published(self, shown: Shown) -> bool:
        """Whether its frames, and no others, lie where it is shown, with its bulk data; frames are read for that."""
        record = shown.record
        if any(self.objects.head(target) is None for _, target in _moved_bulk_data(shown)):
            return False
        numbers = self._numbers(shown.path)
        if numbers != (set() if record.together else set(range(1, record.number_of_frames + 1))):
            return False
        return all(
            self.pool.map(lambda number: self.lies_at(layout.frame(shown.path, number), record, number), numbers)
        )

    def publish(self, shown: Shown, others: list[Record]) -> None:
        """`others` are all records whose frames may lie there now."""
        record = shown.record
        for number in sorted(self._numbers(shown.path)):
            key = layout.frame(shown.path, number)
            if record.together or not self.lies_at(key, record, number):
                self._retire(key, number, others)
        for source, target in _moved_bulk_data(shown):
            self.objects.copy(source, target)
        for number in () if record.together else range(1, record.number_of_frames + 1):
            if not self.lies_at(layout.frame(shown.path, number), record, number):
                self._copy(shown, number)

    def retire(self, path: InstancePath, records: list[Record]) -> None:
        """Take away the frames that lie there; `records` are those that may be theirs."""
        for number in sorted(self._numbers(path)):
            self._retire(layout.frame(path, number), number, records)

    def _copy(self, shown: Shown, number: int) -> None:
        record = shown.record
        for key in (layout.version(record.origin.sha256, number), layout.frame(record.path, number)):
            content = self._content(key, record, number)
            if content is not None:
                self.objects.replace(layout.frame(shown.path, number), content, _headers(record))
                return

    def _retire(self, key: str, number: int, records: list[Record]) -> None:
        for record in records:
            content = self._content(key, record, number)
            if content is not None:
                self.objects.create(layout.version(record.origin.sha256, number), content, _headers(record))
                break
        self.objects.delete([key])

    def _numbers(self, path: InstancePath) -> set[int]:
        names = (listed.name for listed in self.objects.listed(layout.frames_prefix(path)))
        return {int(name) for name in names if name.isdecimal()}

    def is_occupied(self, path: InstancePath) -> bool:
        """Whether frames lie there."""
        return bool(self._numbers(path))

    def lies_at(self, key: str, record: Record, number: int) -> bool:
        """Whether it is frame `number` of this record, by its checksum."""
        return self._content(key, record, number) is not None

    def _content(self, key: str, record: Record, number: int) -> bytes | None:
        """The object, if it is frame `number` of this record. It is written as it was read: a copy within the store may
        be one of what somebody has put there meanwhile."""
        if record.together or not 1 <= number <= len(record.frames):
            return None
        try:
            content = self.objects.read(key)
        except Missing:
            return None
        try:
            frame_within(content, record, number)
        except Damaged:
            return None
        return content


def _headers(record: Record) -> Headers:
    return layout.frame_headers(record.frames_transfer_syntax_uid)


def _moved_bulk_data(shown: Shown) -> list[tuple[str, str]]:
    """Where it lies in the study of its file, and where its metadata refers to in the study that shows it."""
    home, study = (layout.file_name(path.study_instance_uid) for path in (shown.record.path, shown.path))
    names = sorted(bulk_data_names(shown.record)) if home != study else []
    return [(layout.bulk_data(home, name), layout.bulk_data(study, name)) for name in names]


def frame_within(content: bytes | memoryview, record: Record, number: int) -> memoryview:
    """The frame in the bytes of its object. Raises Damaged if it is not the one that the record has."""
    known = record.frames[number - 1]
    head = part_header(record.frames_transfer_syntax_uid, known.length)
    whole = memoryview(content)
    frame = whole[len(head) : len(head) + known.length]
    around = bytes(whole[: len(head)]) + bytes(whole[len(head) + known.length :])
    if around != head + TRAILER or xxhash.xxh3_64_hexdigest(frame) != known.checksum:
        raise Damaged(f"frame {number} of {record.path} is not the one that was stored")
    return frame


def bulk_data_names(record: Record) -> set[str]:
    """The names of all bulk data that the record's metadata refers to."""
    return {name for element in record.metadata.values() for name in _BULK_DATA.findall(element)}
