"""Orthanc's log of changes, read over HTTP with few requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from framecache.cli.errors import CommandError
from framecache.cli.server import Server

_PAGE = 2000  # changes in one request
_MOST_PAGES = 200
_NEAR = 500  # surplus changes that may be read at the start of a window


@dataclass(frozen=True)
class Change:
    """A change of the resource with this Orthanc ID. `date` is in UTC."""

    sequence: int
    date: datetime
    orthanc_id: str


@dataclass(frozen=True)
class LogWindow:
    """The part of the log after change `begin`, up to change `end`: the changes from `since` on.

    With `is_whole_log` the log does not reach further back.
    """

    begin: int
    end: int
    since: datetime
    is_whole_log: bool = False


class ChangeLog:
    """Orthanc keeps the log in its database, without the changes of deleted resources."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def window(self, since: datetime) -> LogWindow | None:
        """The log from `since` or its start on; None for an empty log. Takes about thirty requests at most."""
        first, last = self._ask(since=0, limit=1), self._ask("changes?last")
        if not (first and last):
            return None
        if first[0].date >= since:
            return LogWindow(first[0].sequence - 1, last[0].sequence, first[0].date, is_whole_log=True)
        return LogWindow(self._search(first[0].sequence, last[0].sequence, since), last[0].sequence, since)

    def _search(self, low: int, high: int, since: datetime) -> int:
        """A sequence number shortly before the first change since then: the log is in order of time."""
        while high - low > _NEAR:
            middle = (low + high) // 2
            change = self._ask(since=middle, limit=1)[0]
            if change.date < since:
                low = change.sequence
            else:
                high = middle
        return low

    def new_series(self, window: LogWindow) -> Iterator[list[Change]]:
        """The series that arrived in a window and still exist, page by page. Raises CommandError.

        The database filters: there may be a thousand times as many changes.
        """
        position = window.begin
        for _ in range(_MOST_PAGES):
            page = self._ask(since=position, limit=_PAGE, type="NewSeries")
            yield [one for one in page if one.date >= window.since and one.sequence <= window.end]
            if len(page) < _PAGE:
                return
            position = page[-1].sequence
        raise CommandError(f"more than {_PAGE * _MOST_PAGES} series arrived: use fewer --weeks")

    def _ask(self, path: str = "changes", **parameters: int | str) -> list[Change]:
        return [_change(item) for item in self._server.get(path, **parameters)["Changes"]]


def _change(item: dict[str, Any]) -> Change:
    date = datetime.strptime(item["Date"], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return Change(int(item["Seq"]), date, str(item["ID"]))
