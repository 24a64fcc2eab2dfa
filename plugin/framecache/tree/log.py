"""Reads the log of a study: the records and changes that everything else in an archive is derived from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from framecache.bounded_dict import BoundedDict
from framecache.tree import changes as change_files
from framecache.tree.changes import Change, Correction, Deletion, Retraction
from framecache.tree.entry import Entry
from framecache.tree.errors import Damaged, Missing, Unreachable
from framecache.tree.layout import OWN_JSON, changes_of_study, file_name, log_of_series, log_of_study
from framecache.tree.objects import Objects
from framecache.tree.record import Record

_Value = TypeVar("_Value", Entry, Change)
_CHANGES = "changes"
_MOST_IN_MEMORY = 64  # entries; each may have some hundred records
# Of a list and what it names: some stores go on listing for a while what was deleted.
MOST_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Names:
    """What a log has in it: the digests of entries by series, and those of changes."""

    series: Mapping[str, tuple[str, ...]]
    changes: tuple[str, ...]

    def all(self) -> tuple[str, ...]:
        """Each as the end of its key."""
        entries = (f"{series}/{name}" for series, names in self.series.items() for name in names)
        return (*entries, *(f"{_CHANGES}/{name}" for name in self.changes))

    def doubting(self, ends: Container[str]) -> Names:
        """The same with a question mark behind those whose keys have these ends."""

        def doubted(folder: str, names: Sequence[str]) -> tuple[str, ...]:
            return tuple(f"{name}?" if f"{folder}/{name}" in ends else name for name in names)

        series = {folder: doubted(folder, names) for folder, names in self.series.items()}
        return Names(series, doubted(_CHANGES, self.changes))


@dataclass(frozen=True, slots=True)
class StudyLog:
    """What a log says. `damaged` are the keys of entries and changes that cannot be read, `empty` those of which a loss
    of power left the name alone: before an entry or change is synced, nobody is told that it was written.
    """

    study: str
    names: Names
    records: tuple[Record, ...]
    changes: Mapping[str, Change]
    damaged: tuple[str, ...]
    empty: tuple[str, ...] = ()

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

    @property
    def names_as_read(self) -> Names:
        """What is made without an entry that could not be read must not pass for what is made of all."""
        unread = (*self.damaged, *self.empty)
        if not unread:
            return self.names
        return self.names.doubting({key.removeprefix(f"{log_of_study(self.study)}/") for key in unread})

    @property
    def has_damaged_change(self) -> bool:
        """Whether something was deleted, corrected or taken back, and nobody can read what."""
        return any(key.split("/")[2] == _CHANGES for key in self.damaged)

    @property
    def damaged_series(self) -> set[str]:
        """The series, by file name, of which an entry cannot be read."""
        return {key.split("/")[2] for key in self.damaged} - {_CHANGES}


@dataclass
class _Found(Generic[_Value]):
    """What can be read, by key, and the keys of the rest."""

    found: dict[str, _Value] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)


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
        return {key.rpartition("/")[2]: change for key, change in self._all(keys, change_files.decode).found.items()}

    def read(self, study: str, names: Names) -> StudyLog:
        """What these are. Raises Missing if one was merged with others meanwhile: list again."""
        keys = [f"{log_of_series(study, series)}/{name}" for series, all_ in names.series.items() for name in all_]
        entries = self._all(keys, Entry.decode)
        changes = self._all([f"{changes_of_study(study)}/{name}" for name in names.changes], change_files.decode)
        unique = {(record.path, record.rank): record for entry in entries.found.values() for record in entry.records}
        return StudyLog(
            study,
            names,
            tuple(unique.values()),
            {key.rpartition("/")[2]: change for key, change in changes.found.items()},
            (*entries.damaged, *changes.damaged),
            (*entries.empty, *changes.empty),
        )

    def read_now(self, study: str, series: str | None = None) -> StudyLog:
        """List, and read; again if others merged entries between."""
        for _ in range(MOST_ATTEMPTS):
            names = self.names(study) if series is None else self.names_of_series(study, series)
            with suppress(Missing):
                return self.read(study, names)
        raise list_is_behind(study)

    def write(self, key: str, content: bytes) -> None:
        """Add an entry or a change. If another content is there, it is damaged: it is named by its content."""
        if not self._objects.create(key, content, OWN_JSON) and self._objects.read(key) != content:
            self._objects.replace(key, content, OWN_JSON)

    def _all(self, keys: Sequence[str], decode: Callable[[bytes, str], _Value]) -> _Found[_Value]:
        found = _Found[_Value]()
        for key, future in [(key, self._pool.submit(self._one, key, decode)) for key in keys]:
            try:
                value = future.result()
            except Damaged:
                found.damaged.append(key)
                continue
            if value is None:
                found.empty.append(key)
            else:
                found.found[key] = value
        return found

    def _one(self, key: str, decode: Callable[[bytes, str], _Value]) -> _Value | None:
        """They never change, so what was read once is still true. None for an empty one."""
        with self._reading:
            known = self._read.get(key)
        if known is None:
            content = self._objects.read(key)
            if not content:
                return None
            known = decode(content, key.rpartition("/")[2])
            with self._reading:
                self._read[key] = known
        return cast(_Value, known)


def list_is_behind(study: str) -> Unreachable:
    """The error of who meets nothing but entries that are not there."""
    return Unreachable(f"log/{study}: the store lists entries that are not there")
