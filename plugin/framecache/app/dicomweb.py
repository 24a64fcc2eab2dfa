"""The routes of DICOMweb."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from itertools import chain

from framecache.app.core import Core
from framecache.app.prefetch import Prefetch
from framecache.app.site import Site
from framecache.codecs.codec_pool import CodecPool
from framecache.config.settings import MEGABYTE, Settings
from framecache.instances.metadata import MetadataCatalogue
from framecache.serving.answer import Reporter
from framecache.serving.assembly import Assembly, Limits
from framecache.serving.file_transcoder import FileTranscoder
from framecache.serving.frames import Frames
from framecache.serving.instance_files import InstanceFiles
from framecache.serving.instance_retrieval import InstanceRetrieval
from framecache.serving.metadata_retrieval import MetadataRetrieval
from framecache.serving.rendering import Rendering
from framecache.serving.representations import Representations
from framecache.serving.retrieval import Retrieval
from framecache.serving.route import RetrieveRoute
from framecache.serving.sending import SendLimiter
from framecache.serving.study_retrieval import StudyRetrieval
from framecache.serving.transactions import (
    AllFrames,
    FrameList,
    FramePicture,
    InstanceMetadata,
    InstancePicture,
    SeriesMetadata,
    SeriesPicture,
    StudyMetadata,
    Transaction,
    WholeInstance,
    WholeSeries,
    WholeStudy,
)
from framecache.telemetry.metrics import Route

_FEWEST_TURNS = 4


def retrieve_routes(site: Site, core: Core, prefetch: Prefetch) -> Iterator[tuple[str, RetrieveRoute]]:
    """The callbacks of DICOMweb by the patterns of their paths."""
    findings, root, turns = site.findings, site.url.root, SendLimiter(max(_FEWEST_TURNS, 2 * (os.cpu_count() or 1)))
    route = partial(
        RetrieveRoute,
        metrics=site.metrics,
        turns=turns,
        is_stopping=lambda: findings.stopping,
        is_kept_by_proxy=site.settings.x_accel_expires,
    )
    for transaction in _frame_transactions(site, core, prefetch):
        yield root + transaction.pattern, route(transaction, is_serving=lambda: findings.serving)
    # There is no way to the stock plugin, so these are answered whatever the checks find.
    metadata = _metadata_transactions(site, core, prefetch) if site.settings.metadata != "off" else ()
    for transaction in chain(_whole_transactions(site, core), metadata):
        yield root + transaction.pattern, route(transaction, is_serving=lambda: True)


def _frame_transactions(site: Site, core: Core, prefetch: Prefetch) -> Iterator[Transaction]:
    catalogue, codecs, url, settings = core.catalogue, core.codecs.foreground, site.url, site.settings
    frames = Frames(core.sources, codecs, prefetch.write_behind)
    assembly = partial(Assembly, frames, core.pool, prefetch.scheduler, limits=_limits(settings))
    representations = Representations(
        can_transcode=frames.can_transcode, wildcard_is_stored=settings.wildcard == "stored"
    )
    reporter = _reporter(site, "frames")
    retrieval = Retrieval(catalogue, representations, assembly(reporter=reporter), reporter, url)
    yield from (FrameList(retrieval), AllFrames(retrieval))
    if codecs is not None:
        reporter = _reporter(site, "rendered")
        rendering = Rendering(catalogue, assembly(reporter=reporter), reporter, url)
        yield from (FramePicture(rendering), InstancePicture(rendering), SeriesPicture(rendering, catalogue))


def _whole_transactions(site: Site, core: Core) -> Iterator[Transaction]:
    catalogue, pool, url, reporter = core.catalogue, core.pool, site.url, _reporter(site, "instance")
    files = partial(_instance_files, site, core)
    yield WholeInstance(InstanceRetrieval(catalogue, files(core.codecs.foreground), pool, reporter, url))
    # A viewer waits for an instance; nobody looks at a whole study while it comes.
    studies = StudyRetrieval(catalogue, files(core.codecs.background), pool, reporter, url)
    yield from (WholeSeries(studies), WholeStudy(studies))


def _metadata_transactions(site: Site, core: Core, prefetch: Prefetch) -> Iterator[Transaction]:
    settings, catalogue = site.settings, core.catalogue
    kept = core.store.metadata
    retrieval = MetadataRetrieval(
        catalogue,
        MetadataCatalogue(site.api, kept, core.metadata, catalogue, site.clock, settings.revalidate_seconds),
        core.metadata_desk,
        Reporter(site.metrics, site.clock, "metadata", settings.cache_control, vary="Accept, Accept-Encoding"),
        site.url,
        prefetch.metadata_making.keep,
        may_compress=site.configuration.get("HttpCompressionEnabled") is not True,
        made_by=site.metadata_made_by,
    )
    yield from (StudyMetadata(retrieval), SeriesMetadata(retrieval), InstanceMetadata(retrieval))


def _instance_files(site: Site, core: Core, codecs: CodecPool | None) -> InstanceFiles:
    return InstanceFiles(FileTranscoder(core.sources, codecs) if codecs else None, site.api, core.files)


def _reporter(site: Site, route: Route) -> Reporter:
    return Reporter(site.metrics, site.clock, route, site.settings.cache_control)


def _limits(settings: Settings) -> Limits:
    return Limits(settings.maximum_frames_per_request, settings.maximum_answer_mb * MEGABYTE)
