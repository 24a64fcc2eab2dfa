"""Reads the log of a study: the records and changes that everything else in an archive is derived from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar, cast

from framecache.bounded_dict import BoundedDict
from framecache.tree import changes as change_files
from framecache.tree.changes import Change, Correction, Deletion, Retraction
from framecache.tree.entry import Entry
from framecache.tree.errors import Damaged, Missing
from framecache.tree.layout import changes_of_study, file_name, log_of_series, log_of_study, name_of
from framecache.tree.objects import Objects
from framecache.tree.record import Record

_Value = TypeVar("_Value", Entry, Change)
_CHANGES = "changes"
_MOST_IN_MEMORY = 64  # entries; each may have some hundred records


@dataclass(frozen=True, slots=True)
class Names:
    """What a log has in it: the digests of entries by series, and those of changes."""

    series: Mapping[str, tuple[str, ...]]
    changes: tuple[str, ...]

    def all(self) -> tuple[str, ...]:
        """Each as the end of its key."""
        entries = (f"{series}/{name}" for series, names in self.series.items() for name in names)
        return (*entries, *(f"{_CHANGES}/{name}" for name in self.changes))


@dataclass(frozen=True, slots=True)
class StudyLog:
    """What a log says. `damaged` are the keys of entries and changes that cannot be read."""

    study: str
    names: Names
    records: tuple[Record, ...]
    changes: Mapping[str, Change]
    damaged: tuple[str, ...]

    @property
    def deletions(self) -> list[Deletion]:
        return [change for change in self.changes.values() if isinstance(change, Deletion)]

    @property
    def corrections(self) -> dict[str, Correction]:
        """By digest, those that no retraction takes back, the winning ones last."""
        retracted = {change.correction for change in self.changes.values() if isinstance(change, Retraction)}
        own = {
            name: change
            for name, change in self.changes.items()
            if isinstance(change, Correction) and name not in retracted and file_name(change.study) == self.study
        }
        return dict(sorted(own.items(), key=lambda item: (item[1].sequence, item[0])))

    @property
    def origins(self) -> set[str]:
        """The studies, by file name, whose corrections may move instances here."""
        return {file_name(change.study) for change in self.changes.values()} - {self.study}


class Log:
    """Studies and series are given by their file names. Raises Unreachable."""

    def __init__(self, objects: Objects, pool: Executor) -> None:
        self._objects, self._pool = objects, pool
        self._read: BoundedDict[str, Entry | Change] = BoundedDict(_MOST_IN_MEMORY)
        self._reading = threading.Lock()

    def names(self, study: str) -> Names:
        """One list of the whole study."""
        prefix = log_of_study(study)
        found: dict[str, list[str]] = {}
        for listed in self._objects.listed(prefix):
            series, _, name = listed.key.removeprefix(f"{prefix}/").partition("/")
            found.setdefault(series, []).append(name)
        changes = found.pop(_CHANGES, [])
        return Names({series: tuple(names) for series, names in found.items()}, tuple(changes))

    def names_of_series(self, study: str, series: str) -> Names:
        """Of one series, with the changes of its study."""
        entries = tuple(listed.name for listed in self._objects.listed(log_of_series(study, series)))
        return Names({series: entries}, self.names_of_changes(study).changes)

    def names_of_changes(self, study: str) -> Names:
        """Of changes alone."""
        return Names({}, tuple(listed.name for listed in self._objects.listed(changes_of_study(study))))

    def changes(self, study: str, names: Names) -> dict[str, Change]:
        """The changes of these names, by digest; those that cannot be read are left out."""
        keys = [f"{changes_of_study(study)}/{name}" for name in names.changes]
        return {key.rpartition("/")[2]: change for key, change in self._all(keys, change_files.decode)[0].items()}

    def read(self, study: str, names: Names) -> StudyLog:
        """What these are. Raises Missing if one was merged with others meanwhile: list again."""
        keys = [f"{log_of_series(study, series)}/{name}" for series, all_ in names.series.items() for name in all_]
        entries, damaged = self._all(keys, Entry.decode)
        change_keys = [f"{changes_of_study(study)}/{name}" for name in names.changes]
        changes, also_damaged = self._all(change_keys, change_files.decode)
        unique = {(record.path, record.rank): record for entry in entries.values() for record in entry.records}
        return StudyLog(
            study,
            names,
            tuple(unique.values()),
            {key.rpartition("/")[2]: change for key, change in changes.items()},
            (*damaged, *also_damaged),
        )

    def read_now(self, study: str, series: str | None = None) -> StudyLog:
        """List, and read; again if others merged entries between."""
        while True:
            names = self.names(study) if series is None else self.names_of_series(study, series)
            try:
                return self.read(study, names)
            except Missing:
                continue

    def _all(
        self, keys: Sequence[str], decode: Callable[[bytes, str], _Value]
    ) -> tuple[dict[str, _Value], tuple[str, ...]]:
        """Those that can be read, by key, and the keys of the others."""
        found: dict[str, _Value] = {}
        damaged: list[str] = []
        for key, future in [(key, self._pool.submit(self._one, key, decode)) for key in keys]:
            try:
                found[key] = future.result()
            except Damaged:
                damaged.append(key)
        return found, tuple(damaged)

    def _one(self, key: str, decode: Callable[[bytes, str], _Value]) -> _Value:
        """They never change, so what was read once is still true."""
        with self._reading:
            known = self._read.get(key)
        if known is None:
            known = decode(self._objects.read(key), key.rpartition("/")[2])
            with self._reading:
                self._read[key] = known
        return cast(_Value, known)


def made_of(logs: Sequence[StudyLog]) -> str:
    """The digest of all that these logs say."""
    return name_of([f"{log.study}/{name}" for log in logs for name in log.names.all()])
