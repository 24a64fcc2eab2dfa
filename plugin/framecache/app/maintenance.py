"""What keeps the cache true and bounded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from framecache.app.core import Core
from framecache.app.prefetch import Prefetch
from framecache.app.site import Site
from framecache.maintenance.completeness import Completeness
from framecache.maintenance.housekeeping import Housekeeping
from framecache.maintenance.invalidation import Invalidation
from framecache.maintenance.reconciliation import Reconciliation
from framecache.orthanc.hierarchy import Hierarchy
from framecache.orthanc.senders import Senders


@dataclass(frozen=True)
class Maintenance:
    """What keeps the cache true and bounded."""

    invalidation: Invalidation
    reconciliation: Reconciliation
    housekeeping: Housekeeping
    completeness: Completeness


def make_maintenance(site: Site, core: Core, prefetch: Prefetch, when_checked: Callable[[], None]) -> Maintenance:
    """`when_checked` is called once, when the folder has been checked: from then on blocks may be written."""
    catalogue, store = core.catalogue, core.store
    return Maintenance(
        Invalidation(catalogue, store.records, prefetch.scheduler),
        Reconciliation(site.api, store.versions, store.metadata, site.dispatcher, catalogue.has_file),
        Housekeeping(store, core.pool, when_checked),
        _completeness(site),
    )


def _completeness(site: Site) -> Completeness:
    senders = Senders(site.api) if site.settings.ask_sender else None
    return Completeness(Hierarchy(site.api), senders, site.events, site.clock, site.settings.incomplete_seconds)
