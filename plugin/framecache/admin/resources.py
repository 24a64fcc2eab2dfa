"""GET below /frame-cache/: the cached share of studies, series and instances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from framecache.admin.area import Answer, Asked, OrthancIds, iso
from framecache.declaration import Declaration, Enumeration, Number
from framecache.dicom.transfer_syntax import EXPLICIT, stored_representation
from framecache.instances.catalogue import Catalogue
from framecache.orthanc.hierarchy import Hierarchy, StoredInstance, StoredSeries, check_id
from framecache.prefetch.extraction_states import ExtractionState
from framecache.prefetch.scheduler import Scheduler
from framecache.store.block import Block
from framecache.store.store import Store
from framecache.store.usage import InstanceUsage, Order, StudyUsage

_MOST_STUDIES = 1000
_LARGEST_OFFSET = 10_000_000
_NOTHING = InstanceUsage("", "", "", 0, 0, 0, None)


# How many instances of these series of a study, by its UID, the archive has; those it does not tell of are omitted.
ArchivedInstances = Callable[[str, Sequence[StoredSeries]], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class _Progress:
    """A stored instance and its usage of the cache."""

    stored: StoredInstance
    usage: InstanceUsage
    state: str

    @property
    def cached_frames(self) -> int:
        return min(self.usage.cached_frames, self.stored.frames)

    def to_json(self) -> dict[str, Any]:
        return {
            "ID": self.stored.orthanc_id,
            "SOPInstanceUID": self.stored.sop_instance_uid,
            "State": self.state,
            "NumberOfFrames": self.stored.frames,
            "CachedFrames": self.cached_frames,
            "Bytes": self.usage.size,
        }


STUDIES_ARGUMENTS = (
    Declaration("limit", Number(int, 1, _MOST_STUDIES), 100, meaning="At most this many."),
    Declaration("offset", Number(int, 0, _LARGEST_OFFSET), 0, meaning="Skip this many."),
    Declaration("sort", Enumeration(("LastViewed", "Bytes", "Frames"), quotes=""), "LastViewed", meaning="Descending."),
    Declaration("ids", OrthancIds(_MOST_STUDIES), meaning="List only these."),
)


class ResourceUsage:
    """The area of studies, series and instances."""

    def __init__(
        self,
        archive: Hierarchy,
        catalogue: Catalogue,
        store: Store,
        scheduler: Scheduler,
        expected: Callable[[StoredSeries], int | None] = lambda series: series.expected,
        archived: ArchivedInstances | None = None,
    ) -> None:
        """`expected` says how many instances a series will have, as far as that is known."""
        self._expected, self._archived = expected, archived
        self._archive, self._catalogue, self._store, self._scheduler = archive, catalogue, store, scheduler
        self.get_routes: Mapping[str, Answer] = {
            "studies": Asked(self.studies, STUDIES_ARGUMENTS),
            "studies/([^/]+)": self.study,
            "series/([^/]+)": self.series,
            "instances/([^/]+)": self.instance,
        }
        self.post_routes: Mapping[str, Answer] = {}

    def studies(self, limit: int, offset: int, sort: Order, ids: Sequence[str] | None) -> dict[str, Any]:
        """GET /frame-cache/studies: studies with cached frames, without a query to Orthanc."""
        found = self._catalogue.on_desk(lambda: self._store.usage.studies(sort, limit, offset, ids))
        return {"Total": found.total, "Studies": [self._study(usage) for usage in found.studies]}

    def study(self, orthanc_id: str) -> dict[str, Any]:
        """GET /frame-cache/studies/{id}. Raises NotFound."""
        check_id(orthanc_id)
        uid, series = self._archive.study_instance_uid(orthanc_id), self._archive.series_of(orthanc_id)
        found = self._catalogue.on_desk(lambda: self._store.usage.studies("Bytes", 1, 0, [orthanc_id])).studies
        usage = found[0] if found else StudyUsage(uid, orthanc_id, 0, 0, 0, 0, 0, None)
        stored = self._archive.instances_of("StudyInstanceUID", uid, series)
        by_series: dict[str, list[_Progress]] = {one.orthanc_id: [] for one in series}
        for progress in self._progress(stored):
            by_series.setdefault(progress.stored.series_id, []).append(progress)
        archived = self._archived(uid, series) if self._archived else {}
        return {
            **self._study(usage),
            "StoredInstances": sum(map(len, by_series.values())),
            "SeriesList": [self._series(one, by_series[one.orthanc_id], archived) for one in series],
        }

    def series(self, orthanc_id: str) -> dict[str, Any]:
        """GET /frame-cache/series/{id}. Raises NotFound."""
        check_id(orthanc_id)
        series = self._archive.series(orthanc_id)
        stored = self._archive.instances_of("SeriesInstanceUID", series.series_instance_uid, [series])
        progress, archived = self._progress(stored), dict[str, int]()
        if self._archived:
            archived |= self._archived(self._archive.study_instance_uid(series.study_id), [series])
        return {**self._series(series, progress, archived), "InstancesList": [one.to_json() for one in progress]}

    def instance(self, orthanc_id: str) -> dict[str, Any]:
        """GET /frame-cache/instances/{id}. Raises NotFound."""
        check_id(orthanc_id)
        entry = self._catalogue.on_desk(lambda: self._catalogue.describe(orthanc_id))
        instance, is_indexed = entry.instance, entry.index is not None
        rows = self._catalogue.on_desk(lambda: self._store.blocks.of(instance))
        usage = self._usage([orthanc_id]).get(orthanc_id, _NOTHING)
        form = (stored_representation(instance.transfer_syntax_uid) or EXPLICIT).transfer_syntax_uid
        frames = instance.number_of_frames
        cached = frames if is_indexed else len(_frame_numbers(row for row in rows if row.representation == form))
        state = self._scheduler.state(orthanc_id)
        return {
            "ID": orthanc_id,
            "StudyID": instance.study_id,
            "SeriesID": instance.series_id,
            "State": _state(frames, cached, state),
            "NumberOfFrames": frames,
            "CachedFrames": cached,
            "FailedFrames": list(state.failed_frames) if state else [],
            "Mode": "index" if is_indexed else "copy" if cached else None,
            "Bytes": usage.size,
            "TransferSyntax": instance.transfer_syntax_uid,
            "LastViewed": iso(usage.viewed),
            "LastError": state.error if state else None,
        }

    def _study(self, usage: StudyUsage) -> dict[str, Any]:
        return {
            "ID": usage.study_id or None,
            "StudyInstanceUID": usage.study_instance_uid,
            "Series": usage.series,
            "Instances": usage.instances,
            "Frames": usage.frames,
            "CachedFrames": usage.cached_frames,
            "Bytes": usage.size,
            "LastViewed": iso(usage.viewed),
            "Pinned": usage.study_instance_uid in self._store.pins.studies(),
        }

    def _series(
        self, stored: StoredSeries, progress: Sequence[_Progress], archived: Mapping[str, int]
    ) -> dict[str, Any]:
        return {
            "ID": stored.orthanc_id,
            "StudyID": stored.study_id,
            "SeriesInstanceUID": stored.series_instance_uid,
            "StoredInstances": len(progress),
            "ExpectedInstances": self._expected(stored),
            "CachedInstances": sum(one.state == "cached" for one in progress),
            "ArchivedInstances": archived.get(stored.orthanc_id),
            "Frames": sum(one.stored.frames for one in progress),
            "CachedFrames": sum(one.cached_frames for one in progress),
            "Bytes": sum(one.usage.size for one in progress),
        }

    def _progress(self, stored: Sequence[StoredInstance]) -> list[_Progress]:
        usage = self._usage([one.orthanc_id for one in stored])
        found = []
        for one in stored:
            its, state = usage.get(one.orthanc_id, _NOTHING), self._scheduler.state(one.orthanc_id)
            found.append(_Progress(one, its, _state(one.frames, its.cached_frames, state)))
        return found

    def _usage(self, ids: Sequence[str]) -> Mapping[str, InstanceUsage]:
        usage: Mapping[str, InstanceUsage] = self._catalogue.on_desk(lambda: self._store.usage.instances(ids))
        return usage


def _state(frames: int, cached: int, state: ExtractionState | None) -> str:
    """One of "cached", "queued", "running", "failed", "skipped", "partial" and "not cached"."""
    if cached >= frames:
        return "cached"
    if state is not None and state.state != "cached":
        return state.state
    return "partial" if cached else "not cached"


def _frame_numbers(blocks: Iterable[Block]) -> set[int]:
    """A set, as a frame may be in two blocks: one of its instance, and one made for a request."""
    return {number for block in blocks for number in block.frame_numbers}
