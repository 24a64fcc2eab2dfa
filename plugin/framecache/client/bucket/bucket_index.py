"""The index of a bucket in memory, in step with its segments; and what brings the segments up to date."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from itertools import islice

from framecache.client.bucket.object_reader import ObjectReader
from framecache.client.bucket.segment import FOLDER, Statement, decode, encode
from framecache.client.index.local_index import IndexedFile, IndexWriter, LocalIndex
from framecache.client.index.reading import read_record
from framecache.errors import FrameCacheError, InstanceGone
from framecache.shared_buffers import SharedBuffers
from framecache.tree.errors import ArchiveError, Damaged, Missing, Unsettled
from framecache.tree.layout import OWN_JSON
from framecache.tree.objects import Listed, Objects

_OF_SEGMENT, _MOST_SEGMENTS, _THREADS, _MOST_ATTEMPTS = 500, 16, 8, 20
_LARGEST_INFLATED = 1 << 30
_OWN = ".framecache/"


class BucketIndex:
    """Safe for many threads, and for any number of writers in other processes and on other machines."""

    def __init__(
        self,
        objects: Objects,
        refresh_seconds: float,
        *,
        is_read_only: bool = False,
        most_segments: int = _MOST_SEGMENTS,
    ) -> None:
        """The list of segments is believed for `refresh_seconds`: looking again is one request if nothing changed.

        With `is_read_only`, what is found is in this index alone. More than `most_segments` are merged.
        """
        self._most_segments = most_segments
        self._is_read_only = is_read_only
        self._objects, self._refresh_seconds = objects, refresh_seconds
        self.local = LocalIndex(None)
        self._lock, self._refreshed = threading.RLock(), float("-inf")
        self._segments: set[str] = set()
        self._statements: dict[str, Statement] = {}

    @property
    def has_segments(self) -> bool:
        """Whether there is an index in the bucket."""
        return bool(self._segments)

    def refresh(self, seconds: float | None = None) -> None:
        """See what others have indexed, unless that was done within the last `seconds`."""
        with self._lock:
            if time.monotonic() - self._refreshed < (self._refresh_seconds if seconds is None else seconds):
                return
            for _ in range(_MOST_ATTEMPTS):
                try:
                    self._read_new()
                except Missing:  # it was merged with others after it was listed
                    continue
                self._refreshed = time.monotonic()
                return
            raise Unsettled("the index of the bucket is merged all the time")

    def update(self) -> None:
        """Look at all objects; read those that are new or changed, and let everybody know."""
        self.refresh(0)
        with self._lock:
            known = dict(self._statements)
        listed = {one.key: one for one in self._objects.listed("") if not one.key.startswith(_OWN)}
        self.look_at([one for one in listed.values() if self._is_news(one)])
        missing = [one for key, one in known.items() if key not in listed and not one.is_removed]
        # Some stores list late what was written.
        self.state_removed([one.key for one in missing if self._objects.head(one.key) is None])
        self.compact()

    def look_at(self, objects: Iterable[Listed]) -> None:
        """Read these objects, and state what they are."""
        remaining = iter(objects)
        with ThreadPoolExecutor(_THREADS, "framecache-bucket-index") as pool:
            while batch := list(islice(remaining, _OF_SEGMENT)):
                self.state([one for one in pool.map(self._read, batch) if one is not None])

    def state(self, statements: list[Statement]) -> None:
        """Write a segment of these."""
        with self._lock:
            statements = [one.after(self._statements.get(one.key)) for one in statements]
        if statements:
            key, content = encode(statements)
            if not self._is_read_only:
                self._objects.create(key, content, OWN_JSON)
            with self._lock:
                self._apply(statements)
                self._segments.add(key.rpartition("/")[2])

    def state_removed(self, keys: list[str]) -> None:
        """State that these objects are gone."""
        with self._lock:
            known = [self._statements[key] for key in keys if key in self._statements]
        self.state([Statement(one.key, one.modified, one.e_tag, 0, is_removed=True) for one in known])

    def compact(self) -> None:
        """Merge segments where there are many: what is merged is written before what it was made of is deleted."""
        self.refresh(0)
        with self._lock:
            names, statements = sorted(self._segments), sorted(self._statements.values(), key=lambda one: one.key)
        most = self._most_segments + len(statements) // (_OF_SEGMENT * _MOST_SEGMENTS)
        if self._is_read_only or len(names) <= most:
            return
        size = _OF_SEGMENT * _MOST_SEGMENTS
        made = [encode(statements[start : start + size]) for start in range(0, len(statements), size)]
        for key, content in made:
            self._objects.create(key, content, OWN_JSON)
        kept = {key for key, _ in made}
        self._objects.delete([f"{FOLDER}/{name}" for name in names if f"{FOLDER}/{name}" not in kept])
        self.refresh(0)

    def _read_new(self) -> None:
        names = {one.name for one in self._objects.listed(FOLDER)}
        for name in sorted(names - self._segments):
            try:
                self._apply(decode(self._objects.read(f"{FOLDER}/{name}"), name))
            except Damaged:
                continue  # what it stated is read anew by the next update
            self._segments.add(name)
        self._segments &= names

    def _apply(self, statements: Iterable[Statement]) -> None:
        known = self._statements
        news = [one for one in statements if one.key not in known or known[one.key].rank < one.rank]
        with self.local.writing() as writer:
            for one in news:
                self._statements[one.key] = one
                directory, _, name = one.key.rpartition("/")
                if one.is_removed:
                    writer.remove(directory, [name])
                else:
                    writer.put(directory, name, IndexedFile(one.size, one.e_tag, ""), one.record)
            self._apply_duplicates(writer)

    def _apply_duplicates(self, writer: IndexWriter) -> None:
        """Another object of an instance that is gone has its place now."""
        for directory, name in self.local.stale_files(_OF_SEGMENT):
            one = self._statements[f"{directory}/{name}" if directory else name]
            writer.put(directory, name, IndexedFile(one.size, one.e_tag, ""), one.record)

    def _is_news(self, listed: Listed) -> bool:
        known = self._statements.get(listed.key)
        return known is None or known.is_removed or (known.e_tag, known.size) != (listed.e_tag, listed.size)

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
