"""The area that keeps: the store, what is known of instances, and the memory of answers."""

from __future__ import annotations

from collections.abc import Callable, Collection

from framecache.admin.checks import check_store
from framecache.config.settings import MEGABYTE
from framecache.errors import SourceError
from framecache.host.context import Context
from framecache.instances.catalogue import Catalogue
from framecache.instances.frame_source import FrameSources
from framecache.orthanc.instance import Instance
from framecache.shared_buffers import SharedBuffers
from framecache.store.buffers import BufferPool
from framecache.store.disk.disk_store import DiskStore
from framecache.store.disk.expiry import Lifetime
from framecache.store.removal_cause import OnRemoved, RemovalCause
from framecache.store.resilient_store import ResilientStore
from framecache.store.store import Store
from framecache.telemetry.events import Kind
from framecache.threads import Desk

_KEPT_BUFFERS = 256 * MEGABYTE
_DESK_THREADS = 2
_DAY = 86400.0


class Keeping:
    """All others stand on it."""

    def __init__(self, context: Context) -> None:
        settings, api = context.settings, context.api
        self.store = _open_store(context)
        self._desk, self._back_desk = Desk("frame-cache-desk", _DESK_THREADS), Desk("frame-cache-back-desk", 1)
        self.catalogue = Catalogue(
            api,
            self.store,
            self._desk,
            context.clock,
            context.storage,
            settings.revalidate_seconds,
            decide=context.policy.decide,
            back_desk=self._back_desk,
        )
        self.catalogue.trusts_files = False  # until Orthanc has told that it keeps and deletes them itself
        self.sources = FrameSources(api, SharedBuffers(settings.maximum_inflated_mb * MEGABYTE))
        self.pool = BufferPool(settings.maximum_memory_mb * MEGABYTE, _KEPT_BUFFERS)

    def stop(self) -> None:
        """Nobody is served from now on; the store is closed behind those who write."""
        self._desk.close()
        self._back_desk.close()


def _open_store(context: Context) -> Store:
    settings = context.settings
    limit, free = settings.maximum_size_mb * MEGABYTE, settings.minimum_free_disk_mb * MEGABYTE
    lifetime = Lifetime(context.policy.shortest_stay * _DAY, _lifetime_of(context))
    store = ResilientStore(
        lambda: DiskStore(settings.directory, limit, free, lifetime, _removed(context)),
        limit,
        context.clock,
        lambda reason: context.events.note("degraded" if reason else "recovered", text=reason or ""),
    )
    context.findings.checks.append(check_store(store.degraded.reason if store.degraded else None))
    return store


def _lifetime_of(context: Context) -> Callable[[bytes], float]:
    """What the rules say of an instance by its record, in seconds; what they do not, of one that cannot be read."""
    policy, usual_days = context.policy, context.settings.maximum_age_days

    def lifetime(record: bytes) -> float:
        try:
            return policy.decide(Instance.from_json(record)).keep_days * _DAY
        except SourceError:
            return usual_days * _DAY

    return lifetime


def _removed(context: Context) -> OnRemoved:
    """What left the cache counts, and is an event; purges are told by who asked for them, whole studies at once."""

    def note(cause: RemovalCause, orthanc_ids: Collection[str], size: int) -> None:
        context.metrics.removed(cause, len(orthanc_ids), size)
        kind: Kind = "deleted" if cause == "deleted" else "evicted"
        for orthanc_id in orthanc_ids if cause != "purged" else ():
            context.events.note(kind, "instances", orthanc_id, cause)

    return note
