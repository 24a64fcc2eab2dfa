"""Notes are taken at once, in order, and as many as there is room for."""

from __future__ import annotations

import threading

from framecache.telemetry.metrics import Metrics
from framecache.telemetry.tracing.records import FinishedRecord, Journal


def test_what_is_noted_is_taken_once_and_in_order() -> None:
    journal, records = Journal(), [FinishedRecord(name) for name in "abc"]
    for record in records:
        journal.note(record)

    assert (journal.take(), journal.take()) == (records, [])


def test_what_does_not_fit_is_counted() -> None:
    journal = Journal(most=2)
    for name in "abcde":
        journal.note(FinishedRecord(name))

    assert journal.take() == [FinishedRecord("a"), FinishedRecord("b")]
    assert (journal.take_dropped(), journal.take_dropped()) == (3, 0)


def test_a_closed_journal_keeps_nothing() -> None:
    journal = Journal()
    journal.note(FinishedRecord("a"))
    journal.close()
    journal.note(FinishedRecord("b"))

    assert journal.take() == []


def test_the_cause_of_a_miss_is_that_of_the_thread_that_asks() -> None:
    journal = Journal()
    metrics = Metrics(journal.missed)
    metrics.missed("evicted")
    other = threading.Thread(target=lambda: metrics.missed("queued"))
    other.start()
    other.join()

    assert (journal.cause(), journal.cause()) == ("evicted", None)
