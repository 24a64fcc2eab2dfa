"""Events are numbered, the newest are kept, and who comes too late is told so."""

from __future__ import annotations

import pytest
from framecache.telemetry.events import Events

from tests.unit.fakes import FakeClock


def noted(count: int, most: int = 5) -> Events:
    events = Events(FakeClock(), most)
    for number in range(1, count + 1):
        events.note("cached", "instances", "id", str(number))
    return events


@pytest.mark.parametrize(
    ("count", "since", "limit", "sequences", "last", "is_end", "is_gap"),
    [
        pytest.param(0, 0, 10, [], 0, True, False, id="nothing has happened"),
        pytest.param(3, 0, 10, [1, 2, 3], 3, True, False, id="all"),
        pytest.param(3, 0, 2, [1, 2], 2, False, False, id="a page"),
        pytest.param(3, 2, 2, [3], 3, True, False, id="the next page"),
        pytest.param(3, 3, 2, [], 3, True, False, id="nothing new"),
        pytest.param(9, 4, 10, [5, 6, 7, 8, 9], 9, True, False, id="just kept"),
        pytest.param(9, 3, 10, [5, 6, 7, 8, 9], 9, True, True, id="too late"),
        pytest.param(3, 77, 10, [1, 2, 3], 3, True, True, id="the number of an earlier run"),
    ],
)
def test_a_page_is_what_follows(
    count: int, since: int, limit: int, sequences: list[int], last: int, *, is_end: bool, is_gap: bool
) -> None:
    page = noted(count).since(since, limit)

    assert [event.sequence for event in page.events] == sequences
    assert (page.last, page.is_end, page.is_gap) == (last, is_end, is_gap)
