"""What is to be archived waits on disk: the later task of an instance in place of the earlier, and not too many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from framecache.archiving.ledger import Ledger

from tests.unit.fakes import PATH, UUID, orthanc_id

ONE, TWO, THREE = map(orthanc_id, (1, 2, 3))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "cache/archive.sqlite", most_waiting=3)
    yield ledger
    ledger.close()


def tasks(ledger: Ledger) -> list[tuple[str, str]]:
    return [(one.orthanc_id, one.task) for one in ledger.waiting(10)]


def test_tasks_wait_in_their_order_until_they_are_done(ledger: Ledger) -> None:
    ledger.add([(ONE, "write"), (TWO, "delete")])

    assert tasks(ledger) == [(ONE, "write"), (TWO, "delete")]
    ledger.done(ledger.waiting(1))
    assert tasks(ledger) == [(TWO, "delete")]
    assert ledger.number_waiting == 1


def test_the_later_task_of_an_instance_takes_the_place_of_the_earlier(ledger: Ledger) -> None:
    ledger.add([(ONE, "write"), (TWO, "write")])
    ledger.add([(ONE, "delete")])
    assert tasks(ledger) == [(TWO, "write"), (ONE, "delete")]


def test_a_task_that_comes_while_the_same_one_is_at_work_is_not_done_with_it(ledger: Ledger) -> None:
    ledger.add([(ONE, "delete")])
    at_work = ledger.waiting(1)
    ledger.add([(ONE, "delete")])

    ledger.done(at_work)
    assert tasks(ledger) == [(ONE, "delete")]


def test_more_than_fits_is_refused_and_told(ledger: Ledger) -> None:
    assert ledger.add([(orthanc_id(number), "write") for number in range(5)]) == 2
    assert ledger.number_waiting == 3


def test_everything_survives_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "archive.sqlite"
    crashed = Ledger(path)
    crashed.add([(ONE, "delete")])
    crashed.note(TWO, PATH, UUID)
    crashed.move_to(42)

    ledger = Ledger(path)
    assert tasks(ledger) == [(ONE, "delete")]
    assert ledger.position == 42
    assert ledger.written(TWO) == (PATH, UUID, UUID)
    assert ledger.written(THREE) is None
    ledger.forget([TWO])
    assert ledger.written(TWO) is None
    ledger.close()
    crashed.close()


def test_what_somebody_opened_is_tried_again_as_opened_though_it_arrived_meanwhile(ledger: Ledger) -> None:
    assert ledger.postpone(ONE, "write", 0.0)
    ledger.give_up(ONE, "arrival")
    assert ledger.postpone(ONE, "arrival", 0.0)
    ledger.resume(100.0)
    assert tasks(ledger) == [(ONE, "write")]

    ledger.give_up(ONE, "write")
    assert not ledger.is_postponed(ONE)


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    Ledger(tmp_path / "archive.sqlite").close()
    assert (tmp_path / "archive.sqlite").stat().st_mode & 0o077 == 0


def test_a_new_ledger_has_no_position(ledger: Ledger) -> None:
    assert ledger.position is None


def test_what_was_written_is_counted_among_any_number_of_instances(ledger: Ledger) -> None:
    for name in (ONE, TWO):
        ledger.note(name, PATH, UUID)
    assert ledger.written_among([]) == 0
    assert ledger.written_among([TWO, THREE, *map(orthanc_id, range(100, 1200))]) == 1


def test_a_form_waits_until_it_is_made_or_was_tried_often_enough(ledger: Ledger) -> None:
    ledger.want_form(ONE, 0.0)
    assert (ledger.forms(0.0, 10), ledger.number_waiting) == ([(ONE, 0.0)], 1)
    assert ledger.postpone_form(ONE, 0.0)
    assert (ledger.forms(29.0, 10), ledger.forms(30.0, 10)) == ([], [(ONE, 30.0)])
    assert sum(iter(lambda: ledger.postpone_form(ONE, 0.0), False)) == 12

    ledger.want_form(ONE, 50.0)  # of a newer version, while the first is made
    ledger.form_made(ONE, 30.0)
    assert ledger.forms(50.0, 10) == [(ONE, 50.0)]
    ledger.form_made(ONE, 50.0)
    assert ledger.number_waiting == 0


def test_a_deleted_instance_waits_for_no_form(ledger: Ledger) -> None:
    ledger.want_form(ONE, 0.0)
    ledger.forget([ONE])
    assert ledger.postpone_form(ONE, 0.0)
    assert ledger.number_waiting == 0
