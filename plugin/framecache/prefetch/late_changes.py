"""New instances that appear in Orthanc's log of changes behind newer ones.

Where several Orthancs write to one PostgreSQL, each takes its number from a sequence, and commits in its own time. Who
has read change 10 may find change 9 only later.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from framecache.orthanc.changes import Changes, ChangesPage


class LateChanges:
    """Reads the last part of the log again: what is written within some seconds is read at least twice."""

    def __init__(self, changes: Changes, seconds: float) -> None:
        """Between two looks at least `seconds` pass, in which a transaction of Orthanc's ends."""
        self._changes, self._seconds = changes, seconds
        self._seen, self._due = set[int](), 0.0
        self._last_but_one = self._last = 0

    def begin(self, sequence: int) -> None:
        """The log is read from this change on."""
        self._seen.clear()
        self._last_but_one = self._last = sequence

    def saw(self, page: ChangesPage) -> None:
        """The change feed has read `page`."""
        self._seen.update(sequence for sequence, _ in page.new_instances)

    def find(self, read_up_to: int) -> Sequence[tuple[int, str]]:
        """What appeared up to change `read_up_to` since that was read: sequence numbers and Orthanc IDs.

        Raises SourceError. Empty before the next look is due.
        """
        if time.monotonic() < self._due or self._last_but_one >= read_up_to:
            return ()
        found = list(self._new_ones(self._last_but_one, read_up_to))
        self._seen.update(sequence for sequence, _ in found)
        self._due = time.monotonic() + self._seconds
        self._last_but_one, self._last = self._last, read_up_to
        self._seen = {sequence for sequence in self._seen if sequence > self._last_but_one}
        return found

    def _new_ones(self, since: int, read_up_to: int) -> Sequence[tuple[int, str]]:
        found = list[tuple[int, str]]()
        while since < read_up_to:
            page = self._changes.page(since)
            found += [one for one in page.new_instances if one[0] not in self._seen and one[0] <= read_up_to]
            if page.is_end or page.last <= since:
                break
            since = page.last
        return found
