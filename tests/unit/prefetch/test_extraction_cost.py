"""What cutting frames out costs is measured by form, and remembered over restarts."""

from __future__ import annotations

import pytest
from framecache.prefetch.extraction_cost import ExtractionCost, MeasuredCost

from tests.unit.fakes import FakeClock, WatchedStore


def test_what_was_measured_is_summed_by_form_and_survives_a_restart() -> None:
    store, clock = WatchedStore(), FakeClock()
    extraction_cost = ExtractionCost(store.notes, clock)
    assert extraction_cost.measured() == {}
    extraction_cost.note("stored", 100, 110, 2.0)
    extraction_cost.note("HTJ2K", 100, 30, 5.0)
    assert not store.texts  # not with each instance
    clock.now += 60
    extraction_cost.note("stored", 300, 310, 1.0)

    measured = {"stored": MeasuredCost(400, 420, 3.0), "HTJ2K": MeasuredCost(100, 30, 5.0)}
    assert extraction_cost.measured() == measured
    assert ExtractionCost(store.notes, clock).measured() == measured


def test_what_was_measured_long_ago_counts_less_and_less() -> None:
    extraction_cost = ExtractionCost(WatchedStore().notes, FakeClock(), memory=1000)
    for _ in range(50):
        extraction_cost.note("stored", 100, 100, 1.0)
    for _ in range(50):
        extraction_cost.note("stored", 100, 100, 3.0)

    sums = extraction_cost.measured()["stored"]
    assert sums.seconds / sums.stored_bytes == pytest.approx(0.03, rel=0.02)
    assert sums.stored_bytes < 1200


UNREADABLE = ("", "[]", "null", '{"stored": 1}', '{"stored": {"seconds": "x"}}', '{"stored": {"more": 1}}')


@pytest.mark.parametrize("note", UNREADABLE)
def test_a_note_that_cannot_be_read_is_like_none(note: str) -> None:
    store = WatchedStore()
    store.texts["pace"] = note

    assert ExtractionCost(store.notes, FakeClock()).measured() == {}
