"""Adds stored files to an archive: frames first, then the records that name them."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

from framecache.dicom.identity import InstancePath
from framecache.errors import reason
from framecache.tree import layout
from framecache.tree.entry import Entry
from framecache.tree.errors import ArchiveError
from framecache.tree.frame_writer import FrameWriter, Written
from framecache.tree.layout import file_name
from framecache.tree.log import Log
from framecache.tree.objects import Objects
from framecache.tree.record import Record
from framecache.tree.source import Source, StoredInstance, opened
from framecache.tree.view import Standing, standings

TOGETHER_FROM = 4096  # frames
RECORDS_AT_ONCE = 512
_BYTES_AT_ONCE = 512 << 20
_SERIES_IN_MEMORY = 256
_SMALL = 2 << 20  # bytes of a file that is opened before its turn
_OPEN_AHEAD, _OPEN_BEHIND = 6, 12  # instances


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
    """It is not in the archive, and why; by which `error`, unless it is a rule of the archive."""

    source: Source
    reason: str
    error: Exception | None = None


Outcome = Added | Unchanged | Skipped
_Opening = Future[StoredInstance] | None


class _Known(NamedTuple):
    """Of an instance that was added before: the SHA-256 of its live version, if it has one, and the greatest version;
    why it was deleted, if it was."""

    live: str
    version: int
    reason: str

    @classmethod
    def of(cls, standing: Standing) -> Self:
        live = standing.live
        return cls(live.origin.sha256 if live else "", standing.next_version - 1, standing.reason)


_NEW = _Known("", 0, "")


class _Waiting(NamedTuple):
    """A record, without its frames, that no entry has yet, what has to be written before, and what was known before."""

    record: Record
    outcome: Added
    written: Written
    known: _Known


@dataclass(slots=True)
class _Series:
    """What is known of the instances of a series, by their UIDs, and the records that no entry has yet."""

    known: dict[str, _Known]
    waiting: list[_Waiting] = field(default_factory=list)

    def complete(self) -> list[Skipped]:
        """Give the records their frames; one whose frames could not be read has none. Raises Unreachable."""
        waiting, self.waiting, skipped = self.waiting, [], []
        for one in waiting:
            try:
                record = replace(one.record, frames=one.written.result())
            except (ArchiveError, CancelledError):
                raise
            except Exception as error:  # noqa: BLE001 - a bad file stops nothing
                self.known[one.record.path.sop_instance_uid] = one.known
                skipped.append(Skipped(one.outcome.source, reason(error), error))
            else:
                self.waiting.append(one._replace(record=record))
        return skipped


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
    pool: Executor
    together_from: int = TOGETHER_FROM
    revive: bool = False
    records_at_once: int = RECORDS_AT_ONCE
    studies: set[str] = field(default_factory=set)
    _series: dict[tuple[str, str], _Series] = field(default_factory=dict)
    _open: deque[StoredInstance] = field(default_factory=deque)
    _records: int = 0
    _bytes: int = 0

    def add(self, sources: Iterable[Source]) -> Iterator[Outcome]:
        """The outcome of each; that of one that is written comes with the record, so some later than others."""
        with closing(self._ahead(sources)) as ahead:
            try:
                for source, opening in ahead:
                    yield from self._outcomes(source, opening)
                yield from self.finish()
            finally:
                self._close(0)

    def _ahead(self, sources: Iterable[Source]) -> Generator[tuple[Source, _Opening]]:
        """Small files are read, hashed and parsed before their turn, several at once."""
        waiting: deque[tuple[Source, _Opening]] = deque()
        try:
            for source in sources:
                is_small = 0 < source.size <= _SMALL
                waiting.append((source, self.pool.submit(opened, source) if is_small else None))
                while len(waiting) > (_OPEN_AHEAD if is_small else 0):
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for opening in (opening for _, opening in waiting if opening):
                with suppress(Exception, CancelledError):
                    opening.result().close()

    def _outcomes(self, source: Source, opening: _Opening) -> Iterator[Outcome]:
        try:
            outcome = self._add(source, opening.result() if opening else opened(source))
        except ArchiveError:
            raise
        except Exception as error:  # noqa: BLE001 - a bad file stops nothing
            outcome = Skipped(source, reason(error), error)
        if not isinstance(outcome, Added):
            yield outcome
        self._close(_OPEN_BEHIND)
        if self._records >= self.records_at_once or self._bytes >= _BYTES_AT_ONCE:
            yield from self.finish()

    def _close(self, most: int) -> None:
        """Close what nobody reads any more, and of what is read all but the latest."""
        while self._open and (len(self._open) > most or not self._open[0].is_read):
            self._open.popleft().close()

    def finish(self) -> list[Outcome]:
        """Write the entries of all instances whose frames are written."""
        self._close(0)
        skipped = [outcome for series in self._series.values() for outcome in series.complete()]
        waiting = [one for series in self._series.values() for one in series.waiting]
        if waiting:
            self.objects.settle()
        for series in self._series.values():
            if series.waiting:
                self.log.write(*Entry.of([one.record for one in series.waiting]).encode())
                series.waiting.clear()
        if waiting:
            self.objects.settle()  # a loss of power may leave an entry empty: nobody has been told of it then
        if len(self._series) > _SERIES_IN_MEMORY:
            self._series.clear()
        self._records = self._bytes = 0
        contested = self._contested({file_name(one.record.path.study_instance_uid) for one in waiting})
        # First what is written: whoever stops at what is not has heard of it.
        return [*(self._kept(one) if _is_taken(one, contested) else one.outcome for one in waiting), *skipped]

    def _contested(self, studies: Iterable[str]) -> set[str]:
        return {listed.key for study in studies for listed in self.objects.listed(f"contested/{study}")}

    def _kept(self, one: _Waiting) -> Outcome:
        """Frames at the instance's own place were nobody's before the record: who put another version there meanwhile
        may have taken them away. Its mark is older than that; whoever comes later finds the record."""
        try:
            with opened(one.outcome.source) as instance:
                self.frames.write(instance, is_first=False).result()
        except ArchiveError:
            raise
        except Exception as error:  # noqa: BLE001 - it is gone, or was replaced: the others are written
            return Skipped(one.outcome.source, reason(error), error)
        return one.outcome

    def _add(self, source: Source, instance: StoredInstance) -> Outcome:
        self._open.append(instance)
        path = instance.path
        series = self._of_series(path)
        known = series.known.get(path.sop_instance_uid, _NEW)
        self.studies.add(file_name(path.study_instance_uid))
        if known.live and known.live == instance.origin.sha256:
            return Unchanged(source, path)
        if known.version and not known.live and not self.revive:
            return Skipped(source, f"it was deleted: {known.reason}")
        record, written = self._write(instance, known.version + 1)
        series.known[path.sop_instance_uid] = _Known(record.origin.sha256, record.version, known.reason)
        added = Added(source, path, is_replacement=bool(known.live))
        series.waiting.append(_Waiting(record, added, written, known))
        self._records, self._bytes = self._records + 1, self._bytes + instance.size
        return added

    def _write(self, instance: StoredInstance, version: int) -> tuple[Record, Written]:
        """Begin to write its pieces."""
        number, written = instance.number_of_frames, Written()
        together = bool(number) and number >= self.together_from
        if together:
            self.frames.write_together(instance)
        elif number:
            written = self.frames.write(instance, is_first=version == 1)
        if version > 1 and (together or not number):
            self.frames.contest(instance.path)  # frames of the version before may lie there
        video = instance.video
        if video is not None:
            self.frames.write_video(instance, video)
        written = replace(written, others=self.frames.write_bulk_data(instance))
        return _record(instance, version, number, together=together), written

    def _of_series(self, path: InstancePath) -> _Series:
        key = (file_name(path.study_instance_uid), file_name(path.series_instance_uid))
        if key not in self._series:
            log = self.log.read_now(*key)
            found = standings(log.records, log.deletions).items()
            of_series = {sop: _Known.of(one) for (series, sop), one in found if series == path.series_instance_uid}
            self._series[key] = _Series(of_series)
        return self._series[key]


def _is_taken(one: _Waiting, contested: Container[str]) -> bool:
    return one.written.is_at_place and layout.contested(one.record.path) in contested


def _record(instance: StoredInstance, version: int, number: int, *, together: bool) -> Record:
    """Without its frames, which are being written."""
    return Record(
        instance.path,
        version,
        instance.transfer_syntax_uid,
        instance.origin,
        number,
        instance.frames_transfer_syntax_uid if number else "",
        instance.metadata,
        together=together,
    )
