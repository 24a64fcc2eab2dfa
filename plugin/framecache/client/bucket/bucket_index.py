"""The index of a bucket on this machine, in step with its segments; and what brings the segments up to date."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC
from itertools import islice
from pathlib import Path

from framecache.client.bucket.object_reader import ObjectReader
from framecache.client.bucket.segment import FOLDER, Statement, decode, encode
from framecache.client.bucket.stated_objects import TABLES, StatedObjects
from framecache.client.index.local_index import IndexedFile, IndexWriter, LocalIndex
from framecache.client.index.reading import read_record
from framecache.errors import FrameCacheError, InstanceGone
from framecache.shared_buffers import SharedBuffers
from framecache.tree.errors import ArchiveError, Damaged, Missing, Unsettled
from framecache.tree.layout import OWN_JSON
from framecache.tree.objects import Listed, Objects

_OF_SEGMENT, _MOST_SEGMENTS, _THREADS, _MOST_ATTEMPTS = 500, 16, 8, 20
_OF_MERGED = _OF_SEGMENT * _MOST_SEGMENTS
_LARGEST_INFLATED, _LATE_SECONDS = 1 << 30, 60.0
_OWN = ".framecache/"


class BucketIndex:
    """Safe for many threads, and for any number of writers in other processes and on other machines."""

    def __init__(
        self,
        objects: Objects,
        refresh_seconds: float,
        path: Path | None = None,
        *,
        is_read_only: bool = False,
        most_segments: int = _MOST_SEGMENTS,
        late_seconds: float = _LATE_SECONDS,
    ) -> None:
        """What was read of the segments is kept in the file `path`, which several processes may use, or in memory.

        The list of segments is believed for `refresh_seconds`: looking again is one request if nothing changed. With
        `is_read_only`, what is found is in this index alone. More than `most_segments` small ones are merged. What
        only segments stated that are gone is forgotten after `late_seconds`.
        """
        self._late_seconds = late_seconds
        self._most_segments = most_segments
        self._is_read_only = is_read_only
        self._objects, self._refresh_seconds = objects, refresh_seconds
        # What readers found by themselves is in no segment: who writes segments must not believe that others know it.
        own = path and path.with_stem(f"{path.stem}-read-only") if is_read_only else path
        self.local = LocalIndex(own, TABLES)
        self._lock, self._refreshed, self._file = threading.RLock(), float("-inf"), self.local.database.file

    @property
    def has_segments(self) -> bool:
        """Whether there is an index in the bucket."""
        return bool(self._segments())

    def refresh(self, seconds: float | None = None) -> None:
        """See what others have indexed, unless that was done within the last `seconds`."""
        with self._lock:
            file = self.local.database.file  # another one was made anew, and has not what was read before
            age = time.monotonic() - self._refreshed
            if file == self._file and age < (self._refresh_seconds if seconds is None else seconds):
                return
            for _ in range(_MOST_ATTEMPTS):
                try:
                    self._read_new()
                except Missing:  # it was merged with others after it was listed
                    continue
                self._refreshed, self._file = time.monotonic(), file
                return
            raise Unsettled("the index of the bucket is merged all the time")

    def update(self) -> None:
        """Look at all objects; read those that are new or changed, and let everybody know."""
        self.refresh(0)
        listed = {one.key: one for one in self._objects.listed("") if not one.key.startswith(_OWN)}
        with self.local.database.reading() as connection:
            stated = StatedObjects(connection)
            news = [one for one in listed.values() if _is_news(one, stated.get(one.key))]
            missing = [key for key in stated.present() if key not in listed]
        self.look_at(news)
        # Some stores list late what was written.
        self.state_removed([key for key in missing if self._objects.head(key) is None])
        self.compact()

    def look_at(self, objects: Iterable[Listed]) -> None:
        """Read these objects, and state what they are."""
        remaining = iter(objects)
        with ThreadPoolExecutor(_THREADS, "framecache-bucket-index") as pool:
            while batch := list(islice(remaining, _OF_SEGMENT)):
                self.state([one for one in pool.map(self._read, batch) if one is not None])

    def state(self, statements: list[Statement]) -> None:
        """Write a segment of these."""
        statements = [one.after(self._known(one.key)) for one in statements]
        if statements:
            key, content = encode(statements)
            if not self._is_read_only:
                self._objects.create(key, content, OWN_JSON)
            self._apply(statements, None if self._is_read_only else key.rpartition("/")[2])
            self._read_stale()

    def state_removed(self, keys: list[str]) -> None:
        """State that these objects are gone."""
        known = [one for one in map(self._known, keys) if one is not None]
        self.state([Statement(one.key, one.modified, one.e_tag, 0, is_removed=True) for one in known])

    def compact(self) -> None:
        """Merge small segments where there are many, and all where most of what they state is out of date."""
        self.refresh(0)
        with self.local.database.reading() as connection:
            stated = StatedObjects(connection)
            segments, most = stated.present_segments(), 2 * stated.count() + _OF_MERGED
        small = [name for name, statements in segments.items() if statements < _OF_MERGED // 2]
        merged = sorted(segments if sum(segments.values()) > most else small)
        if self._is_read_only or len(merged) <= self._most_segments:
            return
        try:
            made = {self._create(statements) for statements in self._in_force(merged)}
        except Missing:  # somebody else merges them
            return
        # What is merged is written before what it was made of is deleted.
        self._objects.delete([f"{FOLDER}/{name}" for name in merged if f"{FOLDER}/{name}" not in made])
        self.refresh(0)

    def _in_force(self, names: list[str]) -> Iterator[list[Statement]]:
        """What these segments state that is true, each once, as new segments. Raises Missing."""
        seen: set[str] = set()
        found: list[Statement] = []
        for name in names:
            for one in decode(self._objects.read(f"{FOLDER}/{name}"), name):
                if one.key not in seen and self._is_known(one):
                    seen.add(one.key)
                    found.append(one)
            while len(found) >= _OF_MERGED:
                yield found[:_OF_MERGED]
                del found[:_OF_MERGED]
        if found:
            yield found

    def _create(self, statements: list[Statement]) -> str:
        key, content = encode(statements)
        self._objects.create(key, content, OWN_JSON)
        return key

    def _read_new(self) -> None:
        names = {one.name for one in self._objects.listed(FOLDER)}
        known = self._segments()
        for name in sorted(names - known.keys()):
            try:
                self._apply(decode(self._objects.read(f"{FOLDER}/{name}"), name), name)
            except Damaged:
                continue  # what it stated is read anew by the next update
        if known.keys() - names:
            self._forget_segments(names)
        self._read_stale()

    def _forget_segments(self, present: set[str]) -> None:
        """What those that are gone stated is stated by others, as a rule by that which they were merged into."""
        with self.local.database.writing() as connection:
            unstated = StatedObjects(connection).unstated(present, self._late_seconds)
        again: dict[str, tuple[Statement, str]] = {}
        for name in sorted(present) if unstated else ():
            with suppress(Damaged):
                statements = decode(self._objects.read(f"{FOLDER}/{name}"), name)
                again |= {one.key: (one, name) for one in statements if one.key in unstated and self._is_known(one)}
        with self.local.database.writing() as connection:
            stated, writer = StatedObjects(connection), IndexWriter(connection)
            for one, name in again.values():
                stated.restate(one, name)
            # Another process may have read meanwhile who states them.
            for key in unstated & stated.forget_segments(self._late_seconds):
                stated.forget(key)
                writer.remove(*_place(key))

    def _apply(self, statements: Sequence[Statement], segment: str | None) -> None:
        with self.local.database.writing() as connection:
            stated, writer = StatedObjects(connection), IndexWriter(connection)
            segment_id = None if segment is None else stated.add_segment(segment, len(statements))
            if segment is not None and segment_id is None:
                return
            for one in statements:
                known = stated.get(one.key)
                if known is not None and one.rank < known.rank:
                    continue
                stated.put(one, segment_id)
                if known is None or known.rank < one.rank:
                    _write(writer, one)

    def _read_stale(self) -> None:
        """Another object of an instance that is gone has its place now."""
        last: list[tuple[str, str]] = []
        while (stale := self.local.stale_files(_OF_SEGMENT)) and stale != last:
            last = stale
            with self.local.database.reading() as connection:
                stated = StatedObjects(connection)
                listed = {place: stated.listed(_key(*place)) for place in stale}
            read = {place: None if one is None else self._read(one) for place, one in listed.items()}
            with self.local.writing() as writer:
                for (directory, name), one in read.items():
                    if one is None:
                        writer.remove(directory, [name])
                    else:
                        _write(writer, one)

    def _segments(self) -> dict[str, int]:
        with self.local.database.reading() as connection:
            return StatedObjects(connection).segments()

    def _is_known(self, one: Statement) -> bool:
        """Whether that is what is known of its object."""
        known = self._known(one.key)
        return known is not None and known.rank == one.rank

    def _known(self, key: str) -> Statement | None:
        with self.local.database.reading() as connection:
            return StatedObjects(connection).get(key)

    def _read(self, listed: Listed) -> Statement | None:
        """None where it is gone by now."""
        # A list may have fractions of seconds where the answer about one object has none (RFC 9110 section 5.6.7).
        modified = listed.modified.astimezone(UTC).replace(microsecond=0).isoformat()
        reader = ObjectReader(self._objects, listed.key, listed.size, listed.e_tag, ())
        record = None
        try:
            record = read_record(reader, listed.e_tag, SharedBuffers(_LARGEST_INFLATED))
        except (ArchiveError, InstanceGone) as error:
            if isinstance(error, ArchiveError):
                raise
            return None
        except (FrameCacheError, ValueError):
            record = None  # no DICOM instance
        return Statement(listed.key, modified, listed.e_tag, listed.size, record)


def _is_news(listed: Listed, known: Statement | None) -> bool:
    return known is None or known.is_removed or (known.e_tag, known.size) != (listed.e_tag, listed.size)


def _write(writer: IndexWriter, one: Statement) -> None:
    directory, [name] = _place(one.key)
    if one.is_removed:
        writer.remove(directory, [name])
    else:
        writer.put(directory, name, IndexedFile(one.size, one.e_tag, ""), one.record)


def _place(key: str) -> tuple[str, list[str]]:
    """The directory and the name that an index has of a key."""
    directory, _, name = key.rpartition("/")
    return directory, [name]


def _key(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name
