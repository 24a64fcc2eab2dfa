"""What a store is made of: small parts, of which everybody takes those that it needs.

Each method says by its decorator what becomes of a fault of the store (see `errors`).
Only the plugin's own long-lived threads call a store: it may keep a database connection for each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, Protocol

from framecache.dicom.identity import InstancePath
from framecache.store.block import Block
from framecache.store.errors import notes, reads, removes, writes
from framecache.store.metadata import InstanceMetadata
from framecache.store.usage import InstanceUsage, Order, StudyUsagePage, TotalUsage

# For room in its folder or on its disk; it was not viewed for long; its block was not what had been written; Orthanc no
# longer has the instance, or has another version; an administrator wanted it.
RemovalCause = Literal["size", "free_disk", "age", "damaged", "deleted", "replaced", "purged"]

# Called when something has left a store: why, the Orthanc IDs of the instances, and how many bytes.
OnRemoved = Callable[[RemovalCause, Collection[str], int], None]


class InstanceVersion(Protocol):
    """One version of an instance: `attachment_uuid` is another one whenever its stored file is."""

    @property
    def orthanc_id(self) -> str:
        """Orthanc's ID of the instance."""

    @property
    def attachment_uuid(self) -> str:
        """Orthanc's name of the stored file, a UUID."""


class Blocks(Protocol):
    """Blocks of frames, and indexes of frames that stay where they are."""

    @reads(list)
    def of(self, version: InstanceVersion) -> list[Block]:
        """The blocks of this very version of the instance."""

    @reads(list)
    def of_instance(self, orthanc_id: str) -> list[Block]:
        """The blocks of any version of the instance."""

    @writes
    def keep(
        self, version: InstanceVersion, representation: str, frames: Mapping[int, memoryview], *, may_evict: bool = True
    ) -> Block:
        """Write one block of consecutive frames, by their numbers; `may_evict` says whether others may go for it.

        Raises StoreError, DoesNotFit.
        """

    @removes
    def remove(self, block: Block) -> None:
        """Remove a block that is damaged. Raises StoreError."""

    @reads(lambda: None)
    def index(self, version: InstanceVersion) -> bytes | None:
        """The index of this very version of the instance, or None."""

    @writes
    def keep_index(self, version: InstanceVersion, content: bytes, *, may_evict: bool = True) -> None:
        """Remember where the frames of `version` lie in its stored file. Raises StoreError, DoesNotFit."""


class Records(Protocol):
    """A record for each instance under its three UIDs (see `Record`), and when it was last viewed."""

    @reads(lambda: None)
    def get(self, path: InstancePath) -> bytes | None:
        """The record of these UIDs, or None."""

    @writes
    def keep(self, content: bytes, *, background: bool = False) -> None:
        """Remember an instance by its record, which replaces the one of the same UIDs. Raises StoreError.

        What is kept in the `background`, because there is room, is evicted before all others, the newest first.
        """

    @writes
    def touch(self, last_views: Mapping[InstancePath, float]) -> None:
        """Note when instances were last viewed, in seconds since the epoch. Raises StoreError."""


class Versions(Protocol):
    """Which versions of which instances anything is cached of: the attachments' UUIDs, by Orthanc ID."""

    @reads(dict)
    def after(self, orthanc_id: str, limit: int) -> Mapping[str, Collection[str]]:
        """The next `limit` instances after this ID, in the order of their IDs."""

    @removes
    def of(self, orthanc_ids: Sequence[str]) -> Mapping[str, Collection[str]]:
        """Those of these instances. Raises StoreError: a fault must not be taken for an empty cache."""

    @removes
    def remove(self, stale: Mapping[str, Collection[str]], cause: RemovalCause = "replaced") -> None:
        """Remove all of these versions, and nothing of others. Raises StoreError."""

    @removes
    def remove_all(self, *orthanc_ids: str) -> int:
        """Purge instances; how many rows that were. Raises StoreError."""


class Metadata(Protocol):
    """The metadata of instances, of one version of each, whether or not frames of them are cached.

    It takes a small share of the room. Beyond that the oldest goes, without a word: it is soon made anew.
    """

    @reads(dict)
    def of(self, orthanc_ids: Sequence[str]) -> Mapping[str, InstanceMetadata]:
        """Of those of these instances, by Orthanc ID."""

    @reads(dict)
    def versions(self, orthanc_ids: Sequence[str]) -> Mapping[str, str]:
        """The attachments of those of these instances, by Orthanc ID."""

    @reads(dict)
    def after(self, orthanc_id: str, limit: int) -> Mapping[str, str]:
        """The attachments of the next `limit` instances after this ID, in the order of their IDs."""

    @writes
    def keep(self, metadata: Sequence[InstanceMetadata]) -> None:
        """Keep the metadata of up to some hundred instances, in place of that of other versions. Raises StoreError."""

    @reads(int)
    def number(self) -> int:
        """Of how many instances it is kept."""


class Usage(Protocol):
    """How much of what is cached."""

    @reads(TotalUsage)
    def total(self) -> TotalUsage:
        """The sums over the whole cache."""

    @reads(lambda: StudyUsagePage(0, ()))
    def studies(self, order: Order, limit: int, offset: int, study_ids: Sequence[str] | None) -> StudyUsagePage:
        """Some of the studies, the largest values first; only those with these Orthanc IDs, if any are given."""

    @reads(dict)
    def instances(self, orthanc_ids: Sequence[str]) -> Mapping[str, InstanceUsage]:
        """Those of these instances, by Orthanc ID. Uncached instances are omitted."""


class Space(Protocol):
    """The bytes of a store."""

    @reads(int)
    def used(self) -> int:
        """Bytes used now."""

    @reads(int)
    def left(self) -> int:
        """The bytes that can be written before anything is evicted; negative where something has to be."""

    @reads(int)
    def rows(self) -> int:
        """The number of blocks, indexes and records."""


class Pins(Protocol):
    """Studies that are not evicted, by their Study Instance UIDs."""

    @writes
    def pin(self, study_instance_uid: str) -> None:
        """Keep a study, within the share of the pinned ones. Raises StoreError."""

    @writes
    def unpin(self, study_instance_uid: str) -> None:
        """Let a study be evicted like any other. Raises StoreError."""

    @reads(frozenset)
    def studies(self) -> frozenset[str]:
        """The pinned studies."""


class Notes(Protocol):
    """Short texts that outlive a restart."""

    @reads(lambda: None)
    def get(self, key: str, /) -> str | None:
        """The text last noted under this key, or None."""

    @notes
    def __setitem__(self, key: str, text: str, /) -> None:
        """Note a text. A fault is no error to the caller."""
