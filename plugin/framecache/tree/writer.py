"""Adds stored files to an archive: frames first, then the records that name them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

from framecache.dicom.identity import InstancePath
from framecache.errors import FrameCacheError, reason
from framecache.tree.entry import Entry
from framecache.tree.errors import ArchiveError
from framecache.tree.frame_writer import FrameWriter, Written
from framecache.tree.layout import OWN_JSON, file_name
from framecache.tree.log import Log
from framecache.tree.objects import Objects
from framecache.tree.record import Record
from framecache.tree.source import Source, StoredInstance, opened
from framecache.tree.view import Standing, standings

TOGETHER_FROM = 4096  # frames
RECORDS_AT_ONCE = 256
_BYTES_AT_ONCE = 512 << 20


@dataclass(frozen=True, slots=True)
class Added:
    """It is in the archive now, or its new version is."""

    source: Source
    path: InstancePath
    is_replacement: bool = False


@dataclass(frozen=True, slots=True)
class Unchanged:
    """It was there already, made of the same bytes."""

    source: Source
    path: InstancePath


@dataclass(frozen=True, slots=True)
class Skipped:
    """It is not in the archive, and why."""

    source: Source
    reason: str


Outcome = Added | Unchanged | Skipped


@dataclass(slots=True)
class _Series:
    """What is known of a series, and the records that no entry has yet."""

    standings: dict[tuple[str, str], Standing]
    waiting: list[tuple[Record, Added, Written | None, tuple[Future[None], ...]]] = field(default_factory=list)


@dataclass(slots=True)
class Writer:
    """One run of additions. Nothing of an instance is seen before its record is written, by `finish` at the latest.

    An instance with `together_from` frames or more is kept in one object. One that was deleted is skipped unless
    `revive`. Records are written `records_at_once`, or fewer. Raises Unreachable; what has no outcome by then has to be
    added again.
    """

    objects: Objects
    log: Log
    frames: FrameWriter
    together_from: int = TOGETHER_FROM
    revive: bool = False
    records_at_once: int = RECORDS_AT_ONCE
    studies: set[str] = field(default_factory=set)
    _series: dict[tuple[str, str], _Series] = field(default_factory=dict)
    _records: int = 0
    _bytes: int = 0

    def add(self, sources: Iterable[Source]) -> Iterator[Outcome]:
        """The outcome of each; that of one that is written comes with the record, so some later than others."""
        for source in sources:
            try:
                with opened(source) as instance:
                    outcome = self._add(source, instance)
            except ArchiveError:
                raise
            except (FrameCacheError, OSError, ValueError, RecursionError) as error:
                outcome = Skipped(source, reason(error))
            if not isinstance(outcome, Added):
                yield outcome
            if self._records >= self.records_at_once or self._bytes >= _BYTES_AT_ONCE:
                yield from self.finish()
        yield from self.finish()

    def finish(self) -> list[Outcome]:
        """Write the entries of all instances whose frames are written."""
        waiting = [one for series in self._series.values() for one in series.waiting]
        for _, _, written, others in waiting:
            for future in (*(written.pending if written else ()), *others):
                future.result()
        if waiting:
            self.objects.settle()
        for series in self._series.values():
            if series.waiting:
                key, content = Entry.of([record for record, *_ in series.waiting]).encode()
                if not self.objects.create(key, content, OWN_JSON) and self.objects.read(key) != content:
                    self.objects.replace(key, content, OWN_JSON)  # what was there is damaged: its name says so
                series.waiting.clear()
        self._records = self._bytes = 0
        return [added for _, added, *_ in waiting]

    def _add(self, source: Source, instance: StoredInstance) -> Outcome:
        path = instance.path
        series = self._known(path)
        key = (path.series_instance_uid, path.sop_instance_uid)
        standing = series.standings.get(key, Standing())
        self.studies.add(file_name(path.study_instance_uid))
        if standing.live and standing.live.origin.sha256 == instance.origin.sha256:
            return Unchanged(source, path)
        if standing.live is None and standing.dead_up_to and not self.revive:
            return Skipped(source, f"it was deleted: {standing.reason}")
        number = instance.number_of_frames
        together = bool(number) and number >= self.together_from
        if together:
            self.frames.write_together(instance)
        written = None if together or not number else self.frames.write(instance, is_first=standing.next_version == 1)
        others = self.frames.write_bulk_data(instance)
        record = _record(instance, standing.next_version, number, written)
        series.standings[key] = Standing(record, standing.dead_up_to, standing.reason)
        added = Added(source, path, is_replacement=standing.live is not None)
        series.waiting.append((record, added, written, others))
        self._records, self._bytes = self._records + 1, self._bytes + instance.size
        return added

    def _known(self, path: InstancePath) -> _Series:
        key = (file_name(path.study_instance_uid), file_name(path.series_instance_uid))
        if key not in self._series:
            log = self.log.read_now(*key)
            self._series[key] = _Series(standings(log.records, log.deletions))
        return self._series[key]


def _record(instance: StoredInstance, version: int, number: int, written: Written | None) -> Record:
    return Record(
        instance.path,
        version,
        instance.transfer_syntax_uid,
        instance.origin,
        number,
        instance.frames_transfer_syntax_uid if number else "",
        instance.metadata,
        written.frames if written else (),
        together=bool(number) and written is None,
    )
