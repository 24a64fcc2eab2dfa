"""A store in memory: for tests, and for as long as no other can be opened. Whole instances are evicted."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from framecache.dicom.identity import InstancePath
from framecache.store.block import Block, BlockGone, BrokenBlock, pack_header
from framecache.store.errors import DoesNotFit
from framecache.store.metadata import InstanceMetadata
from framecache.store.parts import (
    Blocks,
    InstanceVersion,
    Metadata,
    Notes,
    OnRemoved,
    Pins,
    Records,
    RemovalCause,
    Space,
    Usage,
    Versions,
)
from framecache.store.record import Record
from framecache.store.store import Degraded
from framecache.store.usage import InstanceUsage, Order, StudyUsage, StudyUsagePage, TotalUsage


class MemoryStore:
    """A Store in dictionaries. It is never degraded, and there is nothing to look after."""

    blocks: Blocks
    records: Records
    versions: Versions
    metadata: Metadata
    usage: Usage
    space: Space
    pins: Pins
    notes: Notes

    def __init__(self, limit: int = 1 << 30, on_removed: OnRemoved = lambda *_: None) -> None:
        """`on_removed` is called with all that leaves."""
        self.limit = limit
        self.degraded: Degraded | None = None
        self._rows = rows = MemoryRows(lambda: self.limit, on_removed)
        self.blocks, self.records = MemoryBlocks(rows), MemoryRecords(rows)
        self.metadata = metadata = MemoryMetadata(rows)
        self.versions = MemoryVersions(rows, metadata)
        self.usage, self.space, self.pins = MemoryUsage(rows), rows, MemoryPins(rows)
        self.notes = dict[str, str]()

    def check(self, is_stopping: Callable[[], bool]) -> None:
        """Nothing outlives a crash."""

    def tend(self, is_stopping: Callable[[], bool]) -> None:
        """Nothing expires."""

    def close(self) -> None:
        """Nothing is open."""


class MemoryContent:
    """A block's bytes; None once they are gone."""

    def __init__(self, content: bytes) -> None:
        self.content: bytes | None = content

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill `target` with the bytes from `offset`. Raises BlockGone, BrokenBlock."""
        content = self.content
        if content is None:
            raise BlockGone("the block is gone: it was evicted or removed")
        if offset + len(target) > len(content):
            raise BrokenBlock("the block is truncated")
        target[:] = content[offset : offset + len(target)]


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """A block, an index or a record, and of which version of an instance it is."""

    orthanc_id: str
    attachment_uuid: str
    content: bytes = b""
    block: Block | None = None
    record: Record | None = None

    @property
    def size(self) -> int:
        """Bytes; records are not counted."""
        if self.record:
            return 0
        return self.block.size if self.block else len(self.content)


class MemoryRows:
    """All rows: blocks by their keys, indexes by their attachments, records by their UIDs.

    `views` has the instances in the order in which they arrived or were last viewed, with the time of the last view.
    """

    def __init__(self, limit: Callable[[], int], on_removed: OnRemoved) -> None:
        self._limit, self._on_removed = limit, on_removed
        self.lock = threading.RLock()
        self.by_key: dict[str | InstancePath, MemoryRow] = {}
        self.views: OrderedDict[str, float | None] = OrderedDict()
        self.background: set[str] = set()
        self.pinned: frozenset[str] = frozenset()

    def used(self) -> int:
        """Bytes used now."""
        return sum(row.size for row in self.all())

    def left(self) -> int:
        """The bytes that can be written before anything is evicted."""
        return self._limit() - self.used()

    def rows(self) -> int:
        """The number of blocks, indexes and records."""
        return len(self.by_key)

    def all(self) -> list[MemoryRow]:
        """All of them, in the order in which they were written."""
        with self.lock:
            return list(self.by_key.values())

    def put(self, key: str | InstancePath, row: MemoryRow, *, may_evict: bool = True) -> None:
        """Write a row. Raises DoesNotFit."""
        with self.lock:
            if row.size > self._limit():
                raise DoesNotFit("this is larger than the whole cache")
            if may_evict:
                self._make_room(row)
            if row.size > self.left():
                raise DoesNotFit("the instance does not fit into the cache")
            self._take_away(self.by_key.pop(key, None))
            self.by_key[key] = row

    def _make_room(self, row: MemoryRow) -> None:
        if row.size > self.left():
            for candidate in self._evictable(row.orthanc_id):
                self.remove("size", partial(_is_of, candidate))
                if row.size <= self.left():
                    return

    def _evictable(self, orthanc_id: str) -> list[str]:
        """Other instances in order of eviction: without a record; from the background, newest first; oldest first."""
        rows = self.all()
        recorded = {row.orthanc_id: row.record for row in rows if row.record}
        lost = [row.orthanc_id for row in rows if row.orthanc_id not in recorded]
        known = [name for name in self.views if name in recorded]
        background = [name for name in reversed(known) if name in self.background]
        pinned = {name for name, record in recorded.items() if record.path.study_instance_uid in self.pinned}
        return [name for name in dict.fromkeys(lost + background + known) if name != orthanc_id and name not in pinned]

    def remove(self, cause: RemovalCause, is_meant: Callable[[MemoryRow], bool]) -> int:
        """Remove all rows that are meant; how many that were."""
        with self.lock:
            removed = {key: row for key, row in self.by_key.items() if is_meant(row)}
            for key, row in removed.items():
                self._take_away(self.by_key.pop(key))
                if row.record:
                    self.views.pop(row.orthanc_id, None)
        if removed:
            owners = {row.orthanc_id for row in removed.values()}
            self._on_removed(cause, owners, sum(row.size for row in removed.values()))
        return len(removed)

    def _take_away(self, row: MemoryRow | None) -> None:
        """Let nobody read its block any more."""
        if row and row.block and isinstance(row.block.content, MemoryContent):
            row.block.content.content = None


class MemoryBlocks:
    """Blocks and indexes of frames."""

    def __init__(self, rows: MemoryRows) -> None:
        self._rows = rows

    def of(self, version: InstanceVersion) -> list[Block]:
        """The blocks of this very version of the instance."""
        return self._blocks(lambda row: row.attachment_uuid == version.attachment_uuid)

    def of_instance(self, orthanc_id: str) -> list[Block]:
        """The blocks of any version of the instance."""
        return self._blocks(lambda row: row.orthanc_id == orthanc_id)

    def _blocks(self, is_meant: Callable[[MemoryRow], bool]) -> list[Block]:
        blocks = [row.block for row in self._rows.all() if row.block and is_meant(row)]
        return sorted(blocks, key=lambda block: block.key)

    def keep(
        self, version: InstanceVersion, representation: str, frames: Mapping[int, memoryview], *, may_evict: bool = True
    ) -> Block:
        """Write one block of consecutive frames, by their numbers. Raises DoesNotFit."""
        first, count = min(frames), len(frames)
        key = f"{version.attachment_uuid}/{representation}/{first}-{count}"
        content = b"".join([pack_header(key, frames), *frames.values()])
        block = Block(key, representation, first, count, len(content), MemoryContent(content))
        row = MemoryRow(version.orthanc_id, version.attachment_uuid, block=block)
        self._rows.put(key, row, may_evict=may_evict)
        return block

    def remove(self, block: Block) -> None:
        """Remove a block that is damaged."""
        self._rows.remove("damaged", lambda row: row.block is not None and row.block.key == block.key)

    def index(self, version: InstanceVersion) -> bytes | None:
        """The index of this very version of the instance, or None."""
        row = self._rows.by_key.get(version.attachment_uuid)
        return row.content if row else None

    def keep_index(self, version: InstanceVersion, content: bytes, *, may_evict: bool = True) -> None:
        """Remember where the frames of `version` lie in its stored file. Raises DoesNotFit."""
        row = MemoryRow(version.orthanc_id, version.attachment_uuid, content)
        self._rows.put(version.attachment_uuid, row, may_evict=may_evict)


class MemoryRecords:
    """Records by the UIDs of their instances."""

    def __init__(self, rows: MemoryRows) -> None:
        self._rows = rows

    def get(self, path: InstancePath) -> bytes | None:
        """The record of these UIDs, or None."""
        row = self._rows.by_key.get(path)
        return row.content if row else None

    def keep(self, content: bytes, *, background: bool = False) -> None:
        """Remember an instance by its record, unless it is the same. Raises UnreadableRecord, DoesNotFit."""
        record, rows = Record.from_json(content), self._rows
        with rows.lock:
            if self.get(record.path) == content:
                return
            rows.put(record.path, MemoryRow(record.orthanc_id, record.attachment_uuid, content, record=record))
            rows.views[record.orthanc_id] = rows.views.pop(record.orthanc_id, None)
            rows.background -= {record.orthanc_id}
            rows.background |= {record.orthanc_id} if background else set()

    def touch(self, last_views: Mapping[InstancePath, float]) -> None:
        """Note when instances were last viewed, in seconds since the epoch."""
        with self._rows.lock:
            for path in sorted(last_views, key=last_views.__getitem__):
                if (row := self._rows.by_key.get(path)) is not None:
                    before = self._rows.views.pop(row.orthanc_id, None) or 0.0
                    self._rows.views[row.orthanc_id] = max(before, last_views[path])
                    self._rows.background -= {row.orthanc_id}


class MemoryMetadata:
    """Metadata by Orthanc ID."""

    def __init__(self, rows: MemoryRows) -> None:
        """Nothing fits where no row does."""
        self._rows, self._by_id = rows, dict[str, InstanceMetadata]()

    def of(self, orthanc_ids: Sequence[str]) -> dict[str, InstanceMetadata]:
        """Of those of these instances, by Orthanc ID."""
        with self._rows.lock:
            return {name: self._by_id[name] for name in orthanc_ids if name in self._by_id}

    def versions(self, orthanc_ids: Sequence[str]) -> dict[str, str]:
        """The attachments of those of these instances, by Orthanc ID."""
        return {name: one.attachment_uuid for name, one in self.of(orthanc_ids).items()}

    def after(self, orthanc_id: str, limit: int) -> dict[str, str]:
        """The attachments of the next `limit` instances after this ID, in the order of their IDs."""
        return self.versions(sorted(name for name in self._by_id if name > orthanc_id)[:limit])

    def keep(self, metadata: Sequence[InstanceMetadata]) -> None:
        """Keep it in place of that of other versions. Raises DoesNotFit."""
        with self._rows.lock:
            if sum(len(one.content) for one in metadata) > self._rows.left():
                raise DoesNotFit("the metadata does not fit into the cache")
            self._by_id.update({one.orthanc_id: one for one in metadata})

    def remove(self, is_meant: Callable[[InstanceMetadata], bool]) -> None:
        """Remove all that is meant."""
        with self._rows.lock:
            self._by_id = {name: one for name, one in self._by_id.items() if not is_meant(one)}

    def number(self) -> int:
        """Of how many instances it is kept."""
        return len(self._by_id)


class MemoryVersions:
    """Attachments by Orthanc ID."""

    def __init__(self, rows: MemoryRows, metadata: MemoryMetadata) -> None:
        self._rows, self._metadata = rows, metadata

    def after(self, orthanc_id: str, limit: int) -> dict[str, set[str]]:
        """The next `limit` instances after this ID."""
        owners = {row.orthanc_id for row in self._rows.all()}
        return self.of(sorted(name for name in owners if name > orthanc_id)[:limit])

    def of(self, orthanc_ids: Sequence[str]) -> dict[str, set[str]]:
        """Those of these instances."""
        found: dict[str, set[str]] = {orthanc_id: set() for orthanc_id in orthanc_ids}
        for row in self._rows.all():
            if row.orthanc_id in found:
                found[row.orthanc_id].add(row.attachment_uuid)
        for orthanc_id, attachment in self._metadata.versions(orthanc_ids).items():
            found[orthanc_id].add(attachment)
        return found

    def remove(self, stale: Mapping[str, Collection[str]], cause: RemovalCause = "replaced") -> None:
        """Remove all of these versions, and nothing of others."""
        self._rows.remove(cause, lambda row: row.attachment_uuid in stale.get(row.orthanc_id, ()))
        self._metadata.remove(lambda one: one.attachment_uuid in stale.get(one.orthanc_id, ()))

    def remove_all(self, *orthanc_ids: str) -> int:
        """Purge instances; how many rows that were."""
        self._metadata.remove(lambda one: one.orthanc_id in orthanc_ids)
        return self._rows.remove("purged", lambda row: row.orthanc_id in orthanc_ids)


class MemoryUsage:
    """Sums that are made when they are asked for."""

    def __init__(self, rows: MemoryRows) -> None:
        self._rows = rows

    def total(self) -> TotalUsage:
        """The sums over the whole cache."""
        studies = self.studies("Bytes", 1 << 30, 0, None).studies
        series = {row.record.path.series_instance_uid for row in self._rows.all() if row.record}
        instances, frames = sum(one.instances for one in studies), sum(one.cached_frames for one in studies)
        return TotalUsage(len(studies), len(series), instances, frames)

    def studies(self, order: Order, limit: int, offset: int, study_ids: Sequence[str] | None) -> StudyUsagePage:
        """Some of the studies, the largest values first; only those with these Orthanc IDs, if any are given."""
        groups: dict[tuple[str, str], list[Record]] = {}
        for row in self._rows.all():
            if row.record and (study_ids is None or row.record.study_id in study_ids):
                groups.setdefault((row.record.path.study_instance_uid, row.record.study_id), []).append(row.record)
        studies = sorted(
            (self._study(*study, records) for study, records in groups.items()),
            key=lambda one: (-_value(one, order), one.study_instance_uid, one.study_id),
        )
        return StudyUsagePage(len(studies), studies[offset : offset + limit])

    def instances(self, orthanc_ids: Sequence[str]) -> dict[str, InstanceUsage]:
        """Those of these instances, by Orthanc ID. Uncached instances are omitted."""
        records = [row.record for row in self._rows.all() if row.record and row.orthanc_id in orthanc_ids]
        return {record.orthanc_id: self._instance(record) for record in records}

    def _study(self, study_instance_uid: str, study_id: str, records: Sequence[Record]) -> StudyUsage:
        instances, series = list(map(self._instance, records)), {record.path.series_instance_uid for record in records}
        return StudyUsage(
            study_instance_uid,
            study_id,
            len(series),
            len(instances),
            sum(one.frames for one in instances),
            sum(one.cached_frames for one in instances),
            sum(one.size for one in instances),
            max((one.viewed for one in instances if one.viewed is not None), default=None),
        )

    def _instance(self, record: Record) -> InstanceUsage:
        rows = [row for row in self._rows.all() if row.orthanc_id == record.orthanc_id and not row.record]
        present = [row for row in rows if row.attachment_uuid == record.attachment_uuid]
        blocks = [row.block for row in present if row.block]
        copied = sum(block.count for block in blocks if block.representation == record.first_representation)
        is_indexed = len(blocks) < len(present)
        frames = record.number_of_frames
        cached, size = frames if is_indexed else min(copied, frames), sum(row.size for row in rows)
        viewed = self._rows.views.get(record.orthanc_id)
        return InstanceUsage(record.orthanc_id, record.study_id, record.series_id, frames, cached, size, viewed)


class MemoryPins:
    """Pinned studies."""

    def __init__(self, rows: MemoryRows) -> None:
        self._rows = rows

    def pin(self, study_instance_uid: str) -> None:
        """Keep a study, within the share of the pinned ones."""
        self._rows.pinned |= {study_instance_uid}

    def unpin(self, study_instance_uid: str) -> None:
        """Let a study be evicted like any other."""
        self._rows.pinned -= {study_instance_uid}

    def studies(self) -> frozenset[str]:
        """Study Instance UIDs."""
        return self._rows.pinned


def _value(study: StudyUsage, order: Order) -> float:
    return {"LastViewed": study.viewed or 0.0, "Bytes": study.size, "Frames": study.cached_frames}[order]


def _is_of(orthanc_id: str, row: MemoryRow) -> bool:
    return row.orthanc_id == orthanc_id
