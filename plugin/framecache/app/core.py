"""What all other parts stand on: the store, what is known of instances, the memory of answers, the codecs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from framecache.admin import checks
from framecache.app.site import Site
from framecache.codecs.codec_pools import CodecPools
from framecache.config.settings import MEGABYTE, Settings
from framecache.errors import SettingsError, SourceError
from framecache.instances.archive import Archive
from framecache.instances.catalogue import Catalogue
from framecache.instances.frame_sources import FrameSources
from framecache.instances.headers import Headers
from framecache.instances.metadata import MetadataMaker
from framecache.instances.stored_files import StoredFiles
from framecache.orthanc.bucket import ObjectStore, StorageBucket, store_options
from framecache.orthanc.data_dictionary import data_dictionary
from framecache.orthanc.default_encoding import default_character_set
from framecache.orthanc.instance import Instance
from framecache.policy.policy import Policy
from framecache.shared_buffers import SharedBuffers
from framecache.store.buffers import BufferPool
from framecache.store.disk.disk_store import DiskStore
from framecache.store.disk.eviction import Lifetime
from framecache.store.parts import OnRemoved, RemovalCause
from framecache.store.resilient_store import ResilientStore
from framecache.store.store import Store
from framecache.telemetry.events import Events, Kind
from framecache.telemetry.metrics import Metrics
from framecache.threads import Desk

_KEPT_BUFFERS = 256 * MEGABYTE
_DESK_THREADS, _METADATA_THREADS, _BUCKET_THREADS, _ARCHIVE_THREADS = 2, 2, 16, 8
_DAY = 86400.0


@dataclass(frozen=True)
class Core:
    """What all others stand on: the store, what is known of instances, the memory of answers, the codecs."""

    store: Store
    catalogue: Catalogue
    files: StoredFiles
    archive: Archive | None
    sources: FrameSources
    pool: BufferPool
    codecs: CodecPools
    metadata: MetadataMaker
    metadata_desk: Desk
    desks: Sequence[Desk]


def make_core(site: Site) -> Core:
    """Opens the cache; a fault of it is a check that failed, and no error."""
    settings, store = site.settings, _open_store(site)
    desk, back_desk = Desk("frame-cache-desk", _DESK_THREADS), Desk("frame-cache-back-desk", 1)
    metadata_desk = Desk("frame-cache-metadata-desk", _METADATA_THREADS)
    catalogue = Catalogue(
        site.api,
        store,
        desk,
        site.clock,
        site.storage,
        settings.revalidate_seconds,
        decide=site.policy.decide,
        back_desk=back_desk,
    )
    catalogue.trusts_files = False  # until Orthanc has told that it keeps and deletes them itself
    bucket_desk = Desk("frame-cache-bucket", _BUCKET_THREADS if settings.storage_url else 0)
    contents = SharedBuffers(settings.maximum_inflated_mb * MEGABYTE)
    bucket = _bucket(site, bucket_desk) if settings.storage_url else None
    files = StoredFiles(site.api, contents, bucket)
    pool = BufferPool(settings.maximum_memory_mb * MEGABYTE, _KEPT_BUFFERS)
    memory = settings.codec_memory_mb * MEGABYTE
    codecs = CodecPools(settings.python, settings.codec_processes, memory, settings.codec_seconds)
    archive_desk = Desk("frame-cache-archive", _ARCHIVE_THREADS if settings.archive else 0)
    archive = _archive(site, archive_desk) if settings.archive else None
    sources = FrameSources(files, archive if settings.archive_read else None)
    encoding = default_character_set(site.configuration.get("DefaultEncoding"))
    metadata = MetadataMaker(Headers(site.api, site.storage, bucket), encoding, data_dictionary(site.configuration))
    desks = (desk, back_desk, bucket_desk, archive_desk, metadata_desk)
    return Core(store, catalogue, files, archive, sources, pool, codecs, metadata, metadata_desk, desks)


def _archive(site: Site, desk: Desk) -> Archive | None:
    """The archive, which is opened when it is needed; None where what that takes is not installed."""
    url = site.settings.archive
    try:
        from framecache.tree.tree import Tree  # noqa: PLC0415 - needs an optional extra
    except ImportError as error:
        advice = f'the extra "archive" is not installed: pip install framecache[archive] ({error})'
        site.findings.checks.append(checks.check_archive(advice))
        return None
    site.findings.checks.append(checks.check_archive(None))
    writes = writes_archive(site.settings)

    def open_tree() -> Tree:
        return Tree.open(url, options=store_options(url), writes=writes)

    return Archive(open_tree, desk, site.clock, site.metrics, url=url)


def writes_archive(settings: Settings) -> bool:
    """Whether anything is to be written to the archive."""
    return settings.archive_write != "never" or any(rule.archive not in (None, "never") for rule in settings.rules)


def _bucket(site: Site, desk: Desk) -> StorageBucket | None:
    """Where a storage plugin keeps Orthanc's files; None where it cannot be used, and Orthanc is asked as ever."""
    try:
        bucket = StorageBucket(ObjectStore(site.settings.storage_url), desk, site.clock, site.metrics)
    except SettingsError as error:
        site.findings.checks.append(checks.check_storage_url(str(error)))
        return None
    site.findings.checks.append(checks.check_storage_url(None))
    return bucket


def _open_store(site: Site) -> Store:
    settings, events = site.settings, site.events
    limit, free = settings.maximum_size_mb * MEGABYTE, settings.minimum_free_disk_mb * MEGABYTE
    lifetime = Lifetime(site.policy.shortest_stay * _DAY, _lifetime_of(site.policy, settings.maximum_age_days))
    store = ResilientStore(
        lambda: DiskStore(
            settings.directory,
            limit,
            free,
            lifetime,
            _removed(site.metrics, events),
            metadata_made_by=site.metadata_made_by,
        ),
        limit,
        site.clock,
        lambda reason: events.note("degraded" if reason else "recovered", text=reason or ""),
    )
    site.findings.checks.append(checks.check_store(store.degraded.reason if store.degraded else None))
    return store


def _lifetime_of(policy: Policy, usual_days: float) -> Callable[[bytes], float]:
    """What the rules say of an instance by its record, in seconds; what they do not, of one that cannot be read.

    They are asked as its time comes, so that it is by the settings and the day of then.
    """

    def lifetime(record: bytes) -> float:
        try:
            return policy.decide(Instance.from_json(record)).keep_days * _DAY
        except SourceError:
            return usual_days * _DAY

    return lifetime


def _removed(metrics: Metrics, events: Events) -> OnRemoved:
    """What left the cache counts, and is an event; purges are told by who asked for them, whole studies at once."""

    def note(cause: RemovalCause, orthanc_ids: Collection[str], size: int) -> None:
        metrics.removed(cause, len(orthanc_ids), size)
        kind: Kind = "deleted" if cause == "deleted" else "evicted"
        for orthanc_id in orthanc_ids if cause != "purged" else ():
            events.note(kind, "instances", orthanc_id, cause)

    return note
