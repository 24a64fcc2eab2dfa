"""The area that answers viewers: the DICOMweb transactions of ours."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial

from framecache.codecs.codec_pool import CodecPool
from framecache.codecs.codec_pools import CodecPools
from framecache.config.settings import MEGABYTE, Settings
from framecache.host.context import Context
from framecache.host.filling import Filling
from framecache.host.keeping import Keeping
from framecache.serving.assembly import Assembly, Limits
from framecache.serving.detours import Detour, detours
from framecache.serving.frames import Frames
from framecache.serving.instance_files import InstanceFiles
from framecache.serving.instance_retrieval import InstanceRetrieval
from framecache.serving.rendering import Rendering
from framecache.serving.reporter import Reporter
from framecache.serving.representations import Representations
from framecache.serving.retrieval import Retrieval
from framecache.serving.route import RetrieveRoute
from framecache.serving.send_limiter import SendLimiter
from framecache.serving.study_retrieval import StudyRetrieval
from framecache.serving.transactions import (
    AllFrames,
    FrameList,
    FramePicture,
    InstancePicture,
    SeriesPicture,
    Transaction,
    WholeInstance,
    WholeSeries,
    WholeStudy,
)
from framecache.serving.transcoded_file import FileTranscoder

_FEWEST_TURNS = 4


class Serving:
    """Frames, pictures and whole instances."""

    def __init__(self, context: Context, keeping: Keeping, filling: Filling, codecs: CodecPools) -> None:
        settings, url, catalogue = context.settings, context.url, keeping.catalogue
        frames = Frames(keeping.sources, codecs.foreground, filling.write_behind)
        metrics, clock, cache_control = context.metrics, context.clock, settings.cache_control
        reporter = partial(Reporter, metrics, clock, cache_control=cache_control)
        assembly = partial(Assembly, frames, keeping.pool, filling.scheduler, limits=_limits(settings))
        representations = Representations(
            can_transcode=frames.can_transcode, wildcard_is_stored=settings.wildcard == "stored"
        )
        counted = reporter(route="frames")
        retrieval = Retrieval(catalogue, representations, assembly(reporter=counted), counted, url)
        self._transactions: list[Transaction] = [FrameList(retrieval), AllFrames(retrieval)]
        if codecs.foreground is not None:
            counted = reporter(route="rendered")
            rendering = Rendering(catalogue, assembly(reporter=counted), counted, url)
            self._transactions += [
                FramePicture(rendering),
                InstancePicture(rendering),
                SeriesPicture(rendering, catalogue),
            ]
        counted = reporter(route="instance")
        files = partial(_files, keeping, context)
        # A viewer waits for an instance; nobody looks at a whole study while it comes.
        studies = StudyRetrieval(catalogue, files(codecs.background), keeping.pool, counted, url)
        self._whole: list[Transaction] = [
            WholeInstance(InstanceRetrieval(catalogue, files(codecs.foreground), keeping.pool, counted, url)),
            WholeSeries(studies),
            WholeStudy(studies),
        ]
        self._context, self._turns = context, SendLimiter(max(_FEWEST_TURNS, 2 * (os.cpu_count() or 1)))

    def detours(self) -> Iterator[tuple[str, Detour]]:
        """The callbacks that send on who was led astray."""
        for pattern, detour in detours().items():
            yield self._context.url.root + pattern, detour

    def routes(self) -> Iterator[tuple[str, RetrieveRoute]]:
        """The callbacks by the patterns of their paths."""
        findings, root = self._context.findings, self._context.url.root
        for transaction in self._transactions:
            yield root + transaction.pattern, self._route(transaction, lambda: findings.serving)
        # There is no way to the stock plugin, so these are answered whatever the checks find.
        for transaction in self._whole:
            yield root + transaction.pattern, self._route(transaction, lambda: True)

    def _route(self, transaction: Transaction, is_serving: Callable[[], bool]) -> RetrieveRoute:
        context, is_kept = self._context, self._context.settings.x_accel_expires
        return RetrieveRoute(
            transaction,
            context.metrics,
            is_serving,
            self._turns,
            lambda: context.findings.stopping,
            is_kept_by_proxy=is_kept,
        )


def _files(keeping: Keeping, context: Context, codecs: CodecPool | None) -> InstanceFiles:
    return InstanceFiles(FileTranscoder(keeping.sources, codecs) if codecs else None, context.api)


def _limits(settings: Settings) -> Limits:
    return Limits(settings.maximum_frames_per_request, settings.maximum_answer_mb * MEGABYTE)
