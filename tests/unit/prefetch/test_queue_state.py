"""What waits because somebody asked for it is queued again at the next start, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from framecache.prefetch.queue_state import QueuedInstance, QueueState
from framecache.prefetch.related import RelatedNote
from framecache.prefetch.task import Priority
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fakes import FakeLog, WatchedStore, eventually, orthanc_id

ONE, TWO, STUDY = map(orthanc_id, (1, 2, 3))
LEFT = QueuedInstance([(ONE, Priority.VIEWER), (TWO, Priority.PRIOR)], [RelatedNote("priors", STUDY)])


class Parts:
    """Stands for Scheduler and RelatedStudies."""

    def __init__(self) -> None:
        self.left = QueuedInstance()
        self.submitted: list[tuple[str, Priority]] = []
        self.taken_up: list[RelatedNote] = []

    def asked_for(self, most: int) -> Any:
        assert most == 5000
        return self.left.instances

    def waiting(self) -> Any:
        return self.left.notes

    def submit(self, orthanc_id: str, priority: Priority) -> bool:
        self.submitted.append((orthanc_id, priority))
        return True

    def take_up(self, note: RelatedNote) -> None:
        self.taken_up.append(note)


class Bench:
    def __init__(self) -> None:
        self.store = WatchedStore()
        self.begin()

    def begin(self, save_seconds: float = 10.0) -> None:
        """One run of the plugin."""
        self.parts = Parts()
        parts: Any = self.parts
        self.queue_state = QueueState(parts, parts, self.store.notes, save_seconds)

    @property
    def written(self) -> QueuedInstance:
        return QueuedInstance.from_text(self.store.texts.get("asked for"))


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.queue_state.stop()


def test_what_waits_at_the_end_is_queued_at_the_next_start_though_no_viewer_waits_any_more(bench: Bench) -> None:
    bench.queue_state.start()
    bench.parts.left = LEFT
    bench.queue_state.stop()
    assert bench.written == LEFT

    bench.begin()
    bench.queue_state.start()
    assert eventually(lambda: len(bench.parts.submitted) == 2)
    assert bench.parts.submitted == [(ONE, Priority.OPENED), (TWO, Priority.PRIOR)]
    assert bench.parts.taken_up == [RelatedNote("priors", STUDY)]


def test_it_is_written_down_meanwhile_too_and_only_when_it_has_changed(bench: Bench) -> None:
    bench.begin(save_seconds=0.01)
    bench.parts.left = LEFT
    bench.queue_state.start()
    assert eventually(lambda: bench.written == LEFT)
    bench.store.texts.clear()
    assert not eventually(lambda: bool(bench.store.texts), 0.1)
    bench.parts.left = QueuedInstance()
    assert eventually(lambda: "asked for" in bench.store.texts)
    assert (list(bench.written.instances), list(bench.written.notes)) == ([], [])


def test_an_error_ends_neither_the_thread_nor_what_it_does_next(bench: Bench, log: FakeLog) -> None:
    bench.begin(save_seconds=0.01)
    bench.store.texts.fails = RuntimeError("no disk")
    bench.parts.left = LEFT
    bench.queue_state.start()
    assert eventually(lambda: "saving the queue failed: RuntimeError: no disk" in str(log.lines))
    bench.store.texts.fails = None
    assert eventually(lambda: bench.written == LEFT)


def test_who_ends_before_the_store_was_open_leaves_what_was_written(bench: Bench) -> None:
    bench.store.texts["asked for"] = LEFT.to_text()
    bench.queue_state.stop()
    assert bench.written == LEFT


WAITING = st.builds(
    QueuedInstance,
    st.lists(st.tuples(st.builds(orthanc_id, st.integers(0, 2**32 - 1)), st.sampled_from(Priority))),
    st.lists(st.builds(RelatedNote, st.sampled_from(["series", "study", "priors"]), st.just(STUDY))),
)


@given(WAITING)
def test_what_is_written_down_can_be_read(waiting: QueuedInstance) -> None:
    assert QueuedInstance.from_text(waiting.to_text()) == waiting


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "x",
        "[]",
        "null",
        "[" * 5000,
        '{"Instances": []}',
        '{"Instances": [["../etc", "PRIOR"]], "Notes": [["patient", "x"], ["study", "../x"]]}',
        '{"Instances": 1, "Notes": []}',
        f'{{"Instances": [["{ONE}", "SOON"]], "Notes": []}}',
        f'{{"Instances": [["{ONE}"]], "Notes": []}}',
        f'{{"Instances": [[1, "PRIOR"]], "Notes": [[["study"], "{ONE}"]]}}',
    ],
)
def test_what_cannot_be_read_is_left_out(text: str | None) -> None:
    left = QueuedInstance.from_text(text)
    assert (list(left.instances), list(left.notes)) == ([], [])
