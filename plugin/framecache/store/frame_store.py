"""The seam to whatever keeps the frames."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from framecache.dicom.identity import InstancePath
from framecache.errors import FrameCacheError
from framecache.orthanc.instance import Instance
from framecache.store.block import Block
from framecache.store.usage import InstanceUsage, Order, StudyUsagePage, TotalUsage
from framecache.telemetry.metrics import RemovalCause

# Called when something has left a store: why, the Orthanc IDs of whose it was, and how many bytes.
OnRemoved = Callable[[RemovalCause, Collection[str], int], None]


class StoreError(FrameCacheError):
    """The store cannot be used; the message says what to change."""


class DoesNotFit(StoreError):
    """There is no room, and none could be made."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """Since when (seconds since the epoch) nothing can be kept, and why."""

    since: float
    reason: str


class FrameStore(Protocol):
    """Keeps blocks of frames, and indexes of those that stay where they are.

    Only the plugin's own long-lived threads call it.
    """

    @property
    def degraded(self) -> Degraded | None:
        """Since when and why nothing can be kept; None while all is well."""

    @property
    def limit(self) -> int:
        """The most bytes that it may hold."""

    def record(self, path: InstancePath) -> Instance | None:
        """The instance known under these UIDs, or None."""

    def keep_record(self, instance: Instance, *, unasked: bool = False) -> None:
        """Remember `instance`; what was known of its UIDs before is replaced.

        Of what is `unasked` for, which neither arrived nor was wanted, what came last goes first, before all others.
        """

    def blocks(self, instance: Instance) -> list[Block]:
        """The blocks kept of this very version of the instance."""

    def blocks_of(self, orthanc_id: str) -> list[Block]:
        """The blocks kept of any version of the instance."""

    def keep(
        self, instance: Instance, representation: str, frames: Mapping[int, memoryview], *, may_evict: bool = True
    ) -> Block:
        """Write one block of consecutive frames, by their numbers; `may_evict` says whether others may go for it.

        Raises StoreError, DoesNotFit, OSError.
        """

    def index(self, instance: Instance) -> bytes | None:
        """The index kept of this very version of the instance, or None."""

    def keep_index(self, instance: Instance, content: bytes, *, may_evict: bool = True) -> None:
        """Remember where the frames of `instance` lie in its stored file. Raises StoreError, DoesNotFit."""

    def forget(self, *orthanc_ids: str) -> int:
        """Remove all that is kept of instances; how many rows that were."""

    def forget_versions(self, stale: Mapping[str, Collection[str]], cause: RemovalCause = "replaced") -> None:
        """Remove all that is kept of these attachments, by Orthanc ID, and nothing of others."""

    def forget_block(self, block: Block) -> None:
        """Remove one block."""

    def pin(self, study_instance_uid: str) -> None:
        """Let a study stay, whatever else comes."""

    def unpin(self, study_instance_uid: str) -> None:
        """Let a study go when its time has come."""

    def pinned(self) -> frozenset[str]:
        """The Study Instance UIDs of those that stay."""

    def check(self, is_stopping: Callable[[], bool]) -> None:
        """Remove what a crash left behind. Nothing may be written meanwhile."""

    def tend(self, is_stopping: Callable[[], bool]) -> None:
        """To be called every few seconds: keeps bounds that time breaks, and tries to repair what is degraded."""

    def touch(self, last_accesses: Mapping[InstancePath, float]) -> None:
        """Note when instances were last asked for, in seconds since the epoch."""

    def versions(self, after: str, most: int) -> Mapping[str, Collection[str]]:
        """The attachments' UUIDs that anything is kept of, by Orthanc ID: the next `most` instances behind `after`."""

    def versions_of(self, orthanc_ids: Sequence[str]) -> Mapping[str, Collection[str]]:
        """The same of these instances. Raises StoreError."""

    def held_in_all(self) -> TotalUsage:
        """How much is held."""

    def held_studies(self, order: Order, limit: int, offset: int, study_ids: Sequence[str] | None) -> StudyUsagePage:
        """How much is held of some studies, the most of it first; of those with these Orthanc IDs, if any are given."""

    def held_instances(self, orthanc_ids: Sequence[str]) -> Mapping[str, InstanceUsage]:
        """How much is held of these instances, by Orthanc ID; what nothing is held of is left out."""

    def note(self, key: str) -> str | None:
        """What was last remembered under this key, also by an earlier run."""

    def remember(self, key: str, value: str) -> None:
        """Write a short text down."""

    def bytes_used(self) -> int:
        """Bytes on disk."""

    def room(self) -> int:
        """The bytes that can be written before anything is evicted; negative where something has to be."""

    def count(self) -> int:
        """Blocks, indexes and records."""

    def close(self) -> None:
        """Give free what the store holds."""


class NoStore:
    """What is there while the cache's folder cannot be used: nothing."""

    def record(self, path: InstancePath) -> Instance | None:
        return None

    def keep_record(self, instance: Instance, *, unasked: bool = False) -> None: ...

    def blocks(self, instance: Instance) -> list[Block]:
        return []

    def blocks_of(self, orthanc_id: str) -> list[Block]:
        return []

    def keep(
        self, instance: Instance, representation: str, frames: Mapping[int, memoryview], *, may_evict: bool = True
    ) -> Block:
        raise StoreError("there is no cache folder")

    def index(self, instance: Instance) -> bytes | None:
        return None

    def keep_index(self, instance: Instance, content: bytes, *, may_evict: bool = True) -> None:
        raise StoreError("there is no cache folder")

    def forget(self, *orthanc_ids: str) -> int:
        return 0

    def forget_versions(self, stale: Mapping[str, Collection[str]], cause: RemovalCause = "replaced") -> None: ...

    def forget_block(self, block: Block) -> None: ...

    def touch(self, last_accesses: Mapping[InstancePath, float]) -> None: ...

    def versions(self, after: str, most: int) -> Mapping[str, Collection[str]]:
        return {}

    def versions_of(self, orthanc_ids: Sequence[str]) -> Mapping[str, Collection[str]]:
        return {}

    def held_in_all(self) -> TotalUsage:
        return TotalUsage()

    def held_studies(self, order: Order, limit: int, offset: int, study_ids: Sequence[str] | None) -> StudyUsagePage:
        return StudyUsagePage(0, ())

    def held_instances(self, orthanc_ids: Sequence[str]) -> Mapping[str, InstanceUsage]:
        return {}

    def note(self, key: str) -> str | None:
        return None

    def remember(self, key: str, value: str) -> None: ...

    def pin(self, study_instance_uid: str) -> None:
        raise StoreError("there is no cache folder")

    def unpin(self, study_instance_uid: str) -> None:
        raise StoreError("there is no cache folder")

    def pinned(self) -> frozenset[str]:
        return frozenset()

    def bytes_used(self) -> int:
        return 0

    def room(self) -> int:
        return 0

    def count(self) -> int:
        return 0

    def close(self) -> None: ...
