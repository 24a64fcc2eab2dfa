"""The disk-backed LRU of frames: diskcache's index and files, bounded in bytes, evicted by instance.

Three kinds of rows are tagged with the Orthanc ID of their instance: `i/<path>` holds the instance's record,
`f/<attachment>/<representation>/<first>-<count>` a block of frames, `t/<attachment>` where the frames lie in the stored
file. `p/<StudyInstanceUID>` pins a study. Truth is the row and the file; blocks are written file first, row second.
Only the plugin's own long-lived threads may call a store: diskcache keeps a SQLite connection for each, and every
request comes on a new one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import cast
from uuid import UUID

from framecache.dicom.identity import InstancePath
from framecache.errors import SourceError
from framecache.orthanc.instance import Instance
from framecache.store.block import Block
from framecache.store.block_format import pack_header
from framecache.store.disk.block_disk import DISK_BLOCK, NewBlock
from framecache.store.disk.block_file import BlockFile
from framecache.store.disk.eviction import Bounds, Room
from framecache.store.disk.expiry import Expiry, Stay
from framecache.store.disk.folder import Folder, store_errors
from framecache.store.disk.pins import Pins
from framecache.store.disk.recovery import Recovery, RecoveryReport, disk_usage, other_formats
from framecache.store.disk.table import Removed, TaggedRow
from framecache.store.disk.usage_table import UsageTable
from framecache.store.frame_store import OnRemoved
from framecache.store.usage import InstanceUsage, Order, StudyUsagePage, TotalUsage
from framecache.telemetry.metrics import RemovalCause

# The attachment under which it is tried whether the folder can be written.
_PROBE = str(UUID(int=0))


class DiskStore:
    """The cache's folder."""

    def __init__(
        self,
        directory: Path,
        limit: int,
        minimum_free: int = 0,
        stay: Stay = Stay(),  # noqa: B008 - frozen
        on_removed: OnRemoved = lambda *_: None,
    ) -> None:
        """Open or make the cache in `directory`: `limit` bytes at most, and `minimum_free` are left on its disk.

        `on_removed` is told of all that leaves.

        Raises StoreError.
        """
        self._folder = Folder(directory)
        try:
            self._table = self._folder.open_table()
            with store_errors(directory):
                self._pins, self._holdings = Pins(self._table), UsageTable(self._table)
        except BaseException:
            self._folder.close()
            raise
        self._room = Room(self._table, Bounds(limit, minimum_free), self._pins, on_removed)
        self._on_removed = on_removed
        self._expiry = Expiry(self._table, self._pins, stay)
        self._failed_size = DISK_BLOCK

    @property
    def limit(self) -> int:
        """The most bytes that the folder may hold."""
        return self._room.limit

    def check(self, is_stopping: Callable[[], bool]) -> RecoveryReport:
        """Remove what a crash left behind. Nothing may be written meanwhile."""
        findings = Recovery(self._table, is_stopping).run()
        self._room.unknown = sum(map(disk_usage, other_formats(Path(self._table.directory))))
        return findings

    def tend(self, now: float) -> None:
        """What time brings: files that could not be unlinked, a disk that fills up, instances not asked for.

        Raises IndexDamaged, IndexReplaced, DiskLow.
        """
        self._table.see_that_it_is_in_place()
        self._table.blocks_on_disk.retry()
        self._room.tend()
        self._tell("age", self._expiry.step(now))

    def probe(self) -> None:
        """Write as a filling instance does, and take it back. Raises what that would."""
        content = memoryview(bytes(self._failed_size))
        new = NewBlock(_PROBE, "probe", [content])
        with self._room.reserve(new.size, ""):
            self._write(f"f/{_PROBE}/probe/1-1", new, None)
        self._table.remove_keys([f"f/{_PROBE}/probe/1-1"])
        self._failed_size = DISK_BLOCK

    def pin(self, study_instance_uid: str) -> None:
        """Let a study stay, whatever else comes."""
        self._pins.pin(study_instance_uid)

    def unpin(self, study_instance_uid: str) -> None:
        """Let a study go when its time has come."""
        self._pins.unpin(study_instance_uid)

    def pinned(self) -> frozenset[str]:
        """The Study Instance UIDs of those that stay."""
        return self._pins.studies

    def set_aside(self) -> None:
        """Give up an index that cannot be read, and its files with it, and close."""
        try:
            self._folder.set_aside()
        finally:
            self.close()

    def close(self) -> None:
        """Close this thread's connection and give the folder free."""
        self._table.close()
        self._folder.close()

    def record(self, path: InstancePath) -> Instance | None:
        """The instance known under these UIDs, or None."""
        try:
            content = self._table.get(_record_key(path))
            instance = Instance.from_json(cast(bytes, content)) if content else None
        except (SourceError, TypeError):
            return None
        # SQLite has no checksums: a changed row must not lead to another instance's frames.
        return instance if instance and instance.path == path else None

    def keep_record(self, instance: Instance, *, unasked: bool = False) -> None:
        """Remember `instance`; what was known of its UIDs before is replaced, unless it is the same."""
        known = self.record(instance.path)
        if known is None or known.to_json() != instance.to_json():
            with self._table.transact():
                self._table.set_record(
                    _record_key(instance.path), instance.to_json(), instance.orthanc_id, unasked=unasked
                )
                self._holdings.enter(instance)

    def blocks(self, instance: Instance) -> list[Block]:
        """The blocks kept of this very version of the instance."""
        return list(self._table.blocks(f"f/{instance.attachment_uuid}/"))

    def blocks_of(self, orthanc_id: str) -> list[Block]:
        """The blocks kept of any version of the instance."""
        prefixes = {f"f/{attachment}/" for attachment in self.versions_of([orthanc_id])[orthanc_id] if attachment}
        return [row for prefix in sorted(prefixes) for row in self._table.blocks(prefix)]

    def keep(
        self, instance: Instance, representation: str, frames: Mapping[int, memoryview], *, may_evict: bool = True
    ) -> Block:
        """Write one block of consecutive frames, by their numbers.

        Raises DoesNotFit, DiskLow, OSError, sqlite3.Error.
        """
        first, count = min(frames), len(frames)
        key = f"f/{instance.attachment_uuid}/{representation}/{first}-{count}"
        pieces: list[bytes | memoryview] = [pack_header(key, frames), *frames.values()]
        new = NewBlock(instance.attachment_uuid, f"{representation}_{first}", pieces)
        with self._room.reserve(new.size, instance.orthanc_id, may_evict=may_evict):
            self._write(key, new, instance.orthanc_id)
        file = BlockFile(self._table.blocks_on_disk.full_path(new.filename))
        return Block(key, representation, first, count, new.size, file)

    def index(self, instance: Instance) -> bytes | None:
        """The index kept of this very version of the instance, or None; it proves itself."""
        return cast("bytes | None", self._table.get(_index_key(instance)))

    def keep_index(self, instance: Instance, content: bytes, *, may_evict: bool = True) -> None:
        """Remember where the frames of `instance` lie in its stored file. Raises DoesNotFit."""
        with self._room.reserve(len(content), instance.orthanc_id, may_evict=may_evict):
            self._table.set(_index_key(instance), content, tag=instance.orthanc_id)

    def _write(self, key: str, new: NewBlock, tag: str | None) -> None:
        try:
            self._table.set(key, new, tag=tag)
        except OSError:
            self._failed_size = new.size
            raise

    def forget(self, *orthanc_ids: str) -> int:
        """Remove all that is kept of instances; how many rows that were."""
        return self._tell("purged", self._table.remove_tagged(orthanc_ids))

    def forget_versions(self, stale: Mapping[str, Collection[str]], cause: RemovalCause = "replaced") -> None:
        """Remove all that is kept of these attachments, by Orthanc ID, and nothing of others."""
        tags = [orthanc_id for orthanc_id, attachments in stale.items() if attachments]

        def is_stale(row: TaggedRow) -> bool:
            return _attachment(row.key, row.record) in stale[row.tag]

        self._tell(cause, self._table.remove_tagged(tags, is_stale))

    def forget_block(self, block: Block) -> None:
        """Remove one block."""
        self._tell("damaged", self._table.remove_keys([block.key]))

    def _tell(self, cause: RemovalCause, removed: Removed) -> int:
        if removed.orthanc_ids:
            self._on_removed(cause, removed.orthanc_ids, removed.size)
        return removed.rows

    def touch(self, last_accesses: Mapping[InstancePath, float]) -> None:
        """Note when instances were last asked for, in seconds since the epoch."""
        self._table.set_access_times((time, _record_key(path)) for path, time in last_accesses.items())

    def versions(self, after: str, most: int) -> dict[str, set[str]]:
        """The attachments that anything is kept of, by Orthanc ID: the next `most` instances behind `after`."""
        return self.versions_of(self._table.tags(after, most))

    def versions_of(self, orthanc_ids: Sequence[str]) -> dict[str, set[str]]:
        """The same of these instances; "" stands for a record that cannot be read."""
        found: dict[str, set[str]] = {orthanc_id: set() for orthanc_id in orthanc_ids}
        for row in self._table.tagged(orthanc_ids):
            found[row.tag].add(_attachment(row.key, row.record))
        return found

    def held_in_all(self) -> TotalUsage:
        """How much is held."""
        return self._holdings.in_all()

    def held_studies(self, order: Order, limit: int, offset: int, study_ids: Sequence[str] | None) -> StudyUsagePage:
        """How much is held of some studies, the most of it first."""
        return self._holdings.studies(order, limit, offset, study_ids)

    def held_instances(self, orthanc_ids: Sequence[str]) -> dict[str, InstanceUsage]:
        """How much is held of these instances, by Orthanc ID."""
        return self._holdings.instances(orthanc_ids)

    def note(self, key: str) -> str | None:
        """What was last remembered under this key, also by an earlier run."""
        content = self._table.get(f"n/{key}")
        return None if content is None else cast(bytes, content).decode(errors="replace")

    def remember(self, key: str, value: str) -> None:
        """Write a short text down."""
        self._table.set(f"n/{key}", value.encode())

    def bytes_used(self) -> int:
        """Bytes on disk at most."""
        return self._room.bytes_used()

    def room(self) -> int:
        """The bytes that can be written before anything is evicted."""
        return self._room.spare()

    def count(self) -> int:
        """Blocks, indexes and records."""
        return len(self._table)


def _attachment(key: str, record: bytes | None) -> str:
    """Of which attachment a row is; a record names it in its value, which may be replaced."""
    if not key.startswith("i/"):
        return key[2:].partition("/")[0]
    try:
        return str(json.loads(record or b"")["attachment_uuid"])
    except (ValueError, TypeError, KeyError):
        return ""


def _record_key(path: InstancePath) -> str:
    return f"i/{path.study_instance_uid}/{path.series_instance_uid}/{path.sop_instance_uid}"


def _index_key(instance: Instance) -> str:
    return f"t/{instance.attachment_uuid}"
