"""Orthanc's log of changes, read from outside: what arrived when, with few questions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from framecache.cli.errors import CommandError
from framecache.cli.server import Server

_PAGE = 2000  # changes that are read at once
_MOST_PAGES = 200
_NEAR = 500  # how many changes too many may be read at the begin of a window


@dataclass(frozen=True)
class Change:
    """What happened to the resource of this Orthanc ID. `date` is in UTC."""

    sequence: int
    date: datetime
    orthanc_id: str


@dataclass(frozen=True)
class Window:
    """The part of the log behind `begin`, up to `end`, which tells what happened from `since` on.

    `is_whole_log` says that the log does not reach back any further.
    """

    begin: int
    end: int
    since: datetime
    is_whole_log: bool = False


class ChangeLog:
    """Orthanc keeps it in its database, with what was deleted taken out."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def window(self, since: datetime) -> Window | None:
        """What happened since then, or since the log begins; None for an empty log. Some thirty questions at most."""
        first, last = self._ask(since=0, limit=1), self._ask("changes?last")
        if not (first and last):
            return None
        if first[0].date >= since:
            return Window(first[0].sequence - 1, last[0].sequence, first[0].date, is_whole_log=True)
        return Window(self._search(first[0].sequence, last[0].sequence, since), last[0].sequence, since)

    def _search(self, low: int, high: int, since: datetime) -> int:
        """A number a little before the first change since then: the log is in the order of time."""
        while high - low > _NEAR:
            middle = (low + high) // 2
            change = self._ask(since=middle, limit=1)[0]
            if change.date < since:
                low = change.sequence
            else:
                high = middle
        return low

    def new_series(self, window: Window) -> Iterator[list[Change]]:
        """The series that arrived in a window and are there still, page by page. Raises CommandError.

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
        return [_change(told) for told in self._server.get(path, **parameters)["Changes"]]


def _change(told: dict[str, Any]) -> Change:
    date = datetime.strptime(told["Date"], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return Change(int(told["Seq"]), date, str(told["ID"]))
