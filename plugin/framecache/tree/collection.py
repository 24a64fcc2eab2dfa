"""Garbage collection: merges what the log has of a series, and deletes what nothing names and is old enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from framecache.tree import layout
from framecache.tree.derivation import Derivation
from framecache.tree.entry import Entry
from framecache.tree.layout import OWN_JSON, file_name
from framecache.tree.log import Log, StudyLog
from framecache.tree.objects import Listed, Objects
from framecache.tree.placing import marks
from framecache.tree.publication import bulk_data_names
from framecache.tree.record import Record
from framecache.tree.view import Shown, standings


@dataclass(slots=True)
class Collected:
    """What a collection did: entries of the log that were merged, objects that were deleted, and their bytes."""

    merged: int = 0
    deleted: int = 0
    bytes: int = 0
    studies: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Collection:
    """Pieces that a writer has just written have no record yet: `grace` has to be longer than the addition of one
    instance takes, and at least twice the age at which writers write a piece anew. Raises Unreachable."""

    objects: Objects
    log: Log
    derivation: Derivation
    pool: Executor
    grace: timedelta
    result: Collected = field(default_factory=Collected)

    def collect(self, study: str) -> None:
        """One study, by its file name; `versions/` has to be collected after all studies."""
        # Before the log is read: what is copied to a new place has the age of the old one in a folder, and is named by
        # a correction that is older than the copy.
        frames, values = (self.objects.listed(f"studies/{study}/{part}") for part in ("series", "bulkdata"))
        if any(map(self._is_old, marks(self.objects, study))):
            self.derivation.derive(study)  # for who was killed at it; the mark goes below
        log = self.log.read_now(study)
        if log.damaged:
            return
        live = [one.live for one in standings(log.records, log.deletions).values() if one.live]
        self._merge(log, live)
        empty = [listed for key in log.empty if (listed := self.objects.head(key))]
        if empty:
            self._delete(empty)
            self.result.studies.add(study)
        shown = self.derivation.view(study).shown
        places = {layout.frames_prefix(one.path): one.record for one in shown}
        places |= {layout.frames_prefix(record.path): record for record in live}
        self._delete(_unnamed_frames(frames, places))
        bulk_data = {name for record in (*live, *(one.record for one in shown)) for name in bulk_data_names(record)}
        self._delete(one for one in values if one.name not in bulk_data)
        self._delete(self._settled_markers(study, shown, live))

    def collect_versions(self, records: dict[str, list[Record]]) -> None:
        """Frames that no record finds there: `records` are all live ones of these sources, by their SHA-256."""
        for sha256, named in records.items():
            listed = self.objects.listed(f"versions/{sha256}")
            if not named:
                self._delete(iter(listed))
            elif not any(record.together for record in named):
                self._delete(one for one in listed if self._has_own_place(one, named))

    def _merge(self, log: StudyLog, live: list[Record]) -> None:
        """Of each series one entry, with the records that count; old ones only, so that readers still find others."""
        for series, names in log.names.series.items():
            records = [record for record in live if file_name(record.path.series_instance_uid) == series]
            prefix = layout.log_of_series(log.study, series)
            old = [one for one in self.objects.listed(prefix) if self._is_old(one) and one.name in names]
            key, content = Entry.of(records).encode() if records else ("", b"")
            if len(old) != len(names) or [one.key for one in old] == [key]:
                continue
            if records:
                self.objects.create(key, content, OWN_JSON)
                self.objects.settle()
            self.objects.delete([one.key for one in old if one.key != key])
            self.result.merged += len(old)
            self.result.studies.add(log.study)

    def _settled_markers(self, study: str, shown: tuple[Shown, ...], live: list[Record]) -> list[Listed]:
        """Of places where the right frames lie, and nothing else; of none while somebody exchanges frames, nor while
        the log has other versions: if the latest cannot be read one day, the mark tells that there was one."""
        if not all(map(self._is_old, marks(self.objects, study))):
            return []
        at_place = {layout.contested(one.path): one for one in shown}
        known = {layout.contested(record.path) for record in live}
        publication = self.derivation.publication
        markers = self.objects.listed(f"contested/{study}")
        several = _of_several_versions(self.log.read_now(study).records) if markers else set()
        return [
            marker
            for marker in markers
            if marker.key not in several
            and (
                marker.key not in known | at_place.keys()
                or (marker.key in at_place and publication.is_published(at_place[marker.key]))
            )
        ]

    def _has_own_place(self, listed: Listed, records: list[Record]) -> bool:
        """Whether the same frame lies at the instance's own place, for all that need it."""
        if listed.name in layout.FORMS:
            return False
        if not listed.name.isdecimal():
            return True
        publication, number = self.derivation.publication, int(listed.name)
        return all(publication.lies_at(layout.frame(record.path, number), record, number) for record in records)

    def _delete(self, found: Iterator[Listed] | list[Listed]) -> None:
        """What was written anew since it was listed stays: a writer has found it, and is about to name it."""
        for listed in found:
            now = self.objects.head(listed.key) if self._is_old(listed) else None
            if now is not None and self._is_old(now):
                self.objects.delete([listed.key])
                self.result.deleted += 1
                self.result.bytes += listed.size

    def _is_old(self, listed: Listed) -> bool:
        return datetime.now(UTC) - listed.modified >= self.grace


def _of_several_versions(records: Iterable[Record]) -> set[str]:
    """The marks of these instances."""
    numbers = Counter(record.path for record in records)
    return {layout.contested(path) for path, number in numbers.items() if number > 1}


def _unnamed_frames(frames: Sequence[Listed], places: Mapping[str, Record]) -> Iterator[Listed]:
    for listed in frames:
        prefix, _, number = listed.key.rpartition("/")
        if prefix.endswith("/frames") and number.isdecimal():
            record = places.get(prefix)
            if record is None or record.together or int(number) > record.number_of_frames:
                yield listed
