"""What caches instances ahead of requests, and behind them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib import import_module

from framecache.admin import checks
from framecache.app.core import Core
from framecache.app.site import Site
from framecache.config.reading import parse_hours
from framecache.config.settings import MEGABYTE, Settings
from framecache.errors import FrameCacheError, reason
from framecache.orthanc.studies import Studies
from framecache.prefetch.admission import Admission
from framecache.prefetch.backfill import Backfill
from framecache.prefetch.backfill_plan import BackfillControl, Plan
from framecache.prefetch.change_feed import ChangeFeed
from framecache.prefetch.checkpoint import Checkpoint
from framecache.prefetch.extraction import Extractor
from framecache.prefetch.extraction_cost import ExtractionCost
from framecache.prefetch.extraction_workers import ExtractionWorkers
from framecache.prefetch.instance_caching import InstanceCaching
from framecache.prefetch.metadata_making import MetadataMaking
from framecache.prefetch.queue_state import QueueState
from framecache.prefetch.related import RelatedStudies
from framecache.prefetch.scheduler import Scheduler
from framecache.prefetch.write_behind import WriteBehind

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prefetch:
    """What caches instances ahead of requests, and behind them."""

    scheduler: Scheduler
    workers: ExtractionWorkers
    extraction_cost: ExtractionCost
    checkpoint: Checkpoint
    change_feed: ChangeFeed
    related: RelatedStudies
    queue_state: QueueState
    backfill: BackfillControl
    write_behind: WriteBehind
    metadata_making: MetadataMaking


def make_prefetch(site: Site, core: Core) -> Prefetch:
    """None of it works before it is started."""
    settings, clock, notes, dispatcher = site.settings, site.clock, core.store.notes, site.dispatcher
    scheduler, cost = Scheduler(site.metrics, clock, dispatcher), ExtractionCost(notes, clock)
    admission, studies = Admission(site.api, site.policy), Studies(site.api)
    related = RelatedStudies(
        studies,
        admission,
        scheduler,
        clock,
        opens=settings.warm_study,
        priors=settings.priors,
        same_modality=settings.priors_same_modality,
    )
    checkpoint = Checkpoint(dispatcher)
    return Prefetch(
        scheduler,
        _extraction_workers(site, core, scheduler, cost),
        cost,
        checkpoint,
        ChangeFeed(site.api, scheduler, checkpoint, notes, site.metrics, admission, dispatcher),
        related,
        QueueState(scheduler, related, notes),
        _backfill(site, core, studies, admission, scheduler),
        WriteBehind(core.catalogue, core.store),
        _metadata_making(site, core),
    )


def _metadata_making(site: Site, core: Core) -> MetadataMaking:
    policy, only_cached = site.policy, site.settings.metadata != "all"
    return MetadataMaking(
        core.metadata,
        core.store,
        core.catalogue.forget_stale,
        (lambda one: policy.decide(one).is_kept_at_arrival) if only_cached else (lambda _: True),
        only_cached=only_cached,
    )


def _extraction_workers(site: Site, core: Core, scheduler: Scheduler, cost: ExtractionCost) -> ExtractionWorkers:
    catalogue, store, metrics, clock = core.catalogue, core.store, site.metrics, site.clock
    extractor, background = (
        Extractor(core.sources, store, core.pool, core.codecs.background, cost, may_evict=may_evict)
        for may_evict in (True, False)
    )
    caching = InstanceCaching(catalogue, extractor, background, store, scheduler, metrics, clock)
    return ExtractionWorkers(site.settings.workers, scheduler, caching, catalogue, store, metrics, clock)


def _backfill(site: Site, core: Core, studies: Studies, admission: Admission, scheduler: Scheduler) -> BackfillControl:
    """Shared with other nodes where `Cluster` is set and its extra is there: procrastinate and psycopg."""
    dsn, plan = site.cluster, _backfill_plan(site.settings)
    parts = (studies, admission, scheduler, core.store, site.clock, plan)
    if not dsn:
        return Backfill(*parts)
    try:
        module = import_module("framecache.cluster.shared_backfill")
        shared: BackfillControl = module.SharedBackfill(dsn, site.node, *parts)
    except (ImportError, FrameCacheError) as error:
        site.findings.note(checks.check_cluster(reason(error)))
        logger.error("work is not shared: %s", reason(error))
        return Backfill(*parts)
    site.findings.note(checks.check_cluster(None))
    return shared


def _backfill_plan(settings: Settings) -> Plan:
    return Plan(
        starts=settings.backfill,
        hours=parse_hours(settings.backfill_hours),
        rate=settings.backfill_mb_per_second * MEGABYTE,
        newest_days=settings.backfill_newest_days,
        share=settings.backfill_fill_percent / 100,
    )
