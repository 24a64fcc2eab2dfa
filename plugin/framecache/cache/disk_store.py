"""The disk-backed LRU of frames: diskcache's index and files, bounded in bytes, evicted by instance.

Three kinds of rows, all tagged with the Orthanc ID of their instance: `i/<path>` holds the instance's record,
`f/<attachment>/<representation>/<first>-<count>` a block of frames, `t/<attachment>` where the frames lie in the stored
file. Truth is the row and the file; blocks are written file first, row second. Only the plugin's own long-lived threads
may call a store: diskcache keeps a SQLite connection for each thread, and every request comes on a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from framecache.cache import block
from framecache.cache.block_disk import NewBlock
from framecache.cache.eviction import Room
from framecache.cache.folder import Folder
from framecache.cache.frame_store import BlockRow, StoreError
from framecache.dicom.identity import InstancePath
from framecache.dicom.instance import Instance
from framecache.errors import SourceError


class DiskStore:
    """The cache's folder."""

    def __init__(self, directory: Path, limit: int) -> None:
        """Open or make the cache in `directory`, `limit` bytes at most. Raises StoreError."""
        self._folder = Folder(directory)
        try:
            self._table = self._folder.open_table()
        except BaseException:
            self._folder.close()
            raise
        self._room = Room(self._table, limit)

    @property
    def limit(self) -> int:
        """The most bytes that the folder may hold."""
        return self._room.limit

    def close(self) -> None:
        """Close this thread's connection and give the folder free."""
        self._table.close()
        self._folder.close()

    def record(self, path: InstancePath) -> Instance | None:
        """The instance known under these UIDs, or None."""
        content = self._table.get(_record_key(path))
        try:
            instance = Instance.from_json(cast(bytes, content)) if content else None
        except SourceError:
            return None
        # SQLite has no checksums: a changed row must not lead to another instance's frames.
        return instance if instance and instance.path == path else None

    def keep_record(self, instance: Instance) -> None:
        """Remember `instance`; what was known of its UIDs before is replaced."""
        self._table.set(_record_key(instance.path), instance.to_json(), tag=instance.orthanc_id)

    def blocks(self, instance: Instance) -> list[BlockRow]:
        """The blocks kept of this very version of the instance."""
        return list(self._table.blocks(f"f/{instance.attachment_uuid}/"))

    def keep(self, instance: Instance, representation: str, frames: Mapping[int, memoryview]) -> BlockRow:
        """Write one block of consecutive frames, by their numbers. Raises StoreError, DoesNotFit, OSError."""
        first, count = min(frames), len(frames)
        key = f"f/{instance.attachment_uuid}/{representation}/{first}-{count}"
        pieces: list[bytes | memoryview] = [block.pack_header(key, frames), *frames.values()]
        new = NewBlock(instance.attachment_uuid, f"{representation}_{first}", pieces)
        with self._room.reserve(new.size, instance.orthanc_id):
            self._table.set(key, new, tag=instance.orthanc_id)
        for row in self._table.blocks(key):
            if row.key == key:
                return row
        raise StoreError("the block was evicted as soon as it was written")

    def index(self, instance: Instance) -> bytes | None:
        """The index kept of this very version of the instance, or None; it proves itself."""
        return cast("bytes | None", self._table.get(_index_key(instance)))

    def keep_index(self, instance: Instance, content: bytes) -> None:
        """Remember where the frames of `instance` lie in its stored file. Raises DoesNotFit."""
        with self._room.reserve(len(content), instance.orthanc_id):
            self._table.set(_index_key(instance), content, tag=instance.orthanc_id)

    def forget(self, orthanc_id: str) -> int:
        """Remove all that is kept of an instance; how many rows that were."""
        return int(self._table.evict(orthanc_id))

    def forget_other_versions(self, instance: Instance) -> None:
        """Remove the blocks and indexes of all but this version of an instance."""
        for key in self._table.version_keys(instance.orthanc_id):
            if key.split("/")[1] != instance.attachment_uuid:
                self._table.delete(key)

    def forget_block(self, row: BlockRow) -> None:
        """Remove one block."""
        self._table.delete(row.key)

    def touch(self, last_accesses: Mapping[InstancePath, float]) -> None:
        """Note when instances were last asked for, in seconds since the epoch."""
        self._table.set_access_times((time, _record_key(path)) for path, time in last_accesses.items())

    def versions(self, after: str, most: int) -> dict[str, set[str]]:
        """The attachments that anything is kept of, by Orthanc ID: the next `most` instances behind `after`."""
        tags = self._table.tags(after, most)
        return {tag: {key.split("/")[1] for key in self._table.version_keys(tag)} for tag in tags}

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

    def count(self) -> int:
        """Blocks, indexes and records."""
        return len(self._table)


def _record_key(path: InstancePath) -> str:
    return f"i/{path.study_instance_uid}/{path.series_instance_uid}/{path.sop_instance_uid}"


def _index_key(instance: Instance) -> str:
    return f"t/{instance.attachment_uuid}"
