"""Filling: what goes first, what is done once, and that no instance's trouble is another's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from framecache.codecs.targets import HTJ2K_LOSSLESS_RPCL
from framecache.dicom.identity import InstancePath
from framecache.errors import Overloaded
from framecache.policy.parsing import parse_rules
from framecache.policy.policy import Treatment
from framecache.policy.rule import Mode, Rule
from framecache.prefetch.extraction import nearest_first
from framecache.prefetch.extraction_states import ExtractionState
from framecache.prefetch.task import Priority
from framecache.store.block import BlockGone, BrokenBlock
from framecache.store.errors import DoesNotFit, StoreError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.blocks import content_of, overwrite, read_frame, take_away
from tests.unit.dicom_files import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    JPEG_2000,
    SERIES,
    STUDY,
    encapsulated,
    native,
)
from tests.unit.fakes import FakeLog, eventually, orthanc_id, uuid
from tests.unit.harness import CachingBench as Bench

BIG = 256 << 10  # frames of this size get a block each
MB = 1 << 20
FRAGMENTS = [b"\xff\x4f\xff\x51" + bytes([number] * 10) for number in range(3)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.workers.stop()
    made.desk.close()


def big_frames(count: int) -> bytes:
    return native(bytes(count * BIG), Rows=512, Columns=512, NumberOfFrames=count)


def test_all_frames_of_an_instance_are_kept(bench: Bench) -> None:
    pixels = bytes(range(72))
    name = bench.take_in(1, native(pixels))
    bench.run(name)

    assert bench.scheduler.state(name) == ExtractionState("cached")
    ((_, row),) = bench.store.rows.values()
    assert b"".join(read_frame(row, number) for number in row.frame_numbers) == pixels
    assert (bench.metrics["extracted_instances"], bench.metrics["extracted_frames"]) == (1, 3)
    entry = bench.catalogue.describe(name)
    assert set(entry.blocks) == {(EXPLICIT, 1), (EXPLICIT, 2), (EXPLICIT, 3)}
    assert bench.pool.leased == 0


def test_who_looks_on_is_told_of_the_work_and_of_what_was_kept(bench: Bench) -> None:
    name = bench.take_in(1)
    bench.scheduler.submit(name, Priority.ARRIVED)
    bench.clock.now += 2.0
    bench.run(name)

    assert eventually(lambda: bool(bench.works))
    ((work, state),) = bench.works
    assert (work.orthanc_id, work.priority, work.since - work.queued) == (name, Priority.ARRIVED, 2.0)
    assert work.entry is not None
    assert (work.entry.instance.orthanc_id, work.form_key) == (name, EXPLICIT)
    assert (state.state, state.frames, state.size) == ("cached", 3, bench.metrics["extracted_bytes"])


@pytest.mark.parametrize(
    ("content", "syntax"),
    [
        pytest.param(native(bytes(70)), EXPLICIT, id="native"),
        pytest.param(encapsulated([b"", *[b"\xff\x4f\xff\x51" * 6] * 2]), JPEG_2000, id="encapsulated"),
    ],
)
def test_what_a_file_that_was_cut_short_still_has_is_kept(bench: Bench, content: bytes, syntax: str) -> None:
    """That is all there is to do: it is not tried again."""
    name = bench.take_in(1, content, syntax)
    bench.run(name)

    assert bench.scheduler.state(name) == ExtractionState(
        "cached", "the stored file lacks the last 1 of 3 frames", failed_frames=range(3, 4)
    )
    assert set(bench.catalogue.describe(name).blocks) == {(syntax, 1), (syntax, 2)}
    assert bench.metrics["failed_extractions"] == 0


def test_nothing_is_cut_out_twice(bench: Bench) -> None:
    name = bench.take_in(1)
    bench.run(name)
    bench.scheduler.submit(name, Priority.ARRIVED)
    assert eventually(lambda: bench.done == [name, name])

    assert (bench.metrics["extracted_instances"], bench.metrics["extracted_frames"]) == (1, 3)


def test_large_frames_have_a_block_each_and_the_nearest_goes_first(bench: Bench) -> None:
    name = bench.take_in(1, big_frames(5), frames=5)
    bench.scheduler.submit(name, Priority.VIEWER, near=3)
    bench.run(name)

    assert bench.first_frames() == [3, 4, 2, 5, 1]


def test_blocks_stay_small_though_the_first_frame_is_tiny(bench: Bench) -> None:
    """A blank first frame says nothing of the others."""
    frames = [b"\xff\x4f\xff\x51" + bytes(10), *([b"\xff\x4f\xff\x51" + bytes(MB)] * 20)]
    name = bench.take_in(1, encapsulated([b"", *frames], NumberOfFrames=21), JPEG_2000, frames=21)
    bench.run(name)

    assert max(row.size for _, row in bench.store.rows.values()) < 9 * MB


def test_who_scrolls_elsewhere_meanwhile_is_followed_there(bench: Bench) -> None:
    name = bench.take_in(1, big_frames(9), frames=9)
    entry = bench.catalogue.describe(name)

    def scroll() -> None:
        if len(bench.store.rows) == 2:
            bench.scheduler.queue_missed(entry, 8)

    bench.store.before_keep = scroll
    bench.scheduler.submit(name, Priority.VIEWER, near=2)
    bench.run(name)

    assert bench.first_frames() == [2, 3, 1, 8, 9, 7, 6, 5, 4]
    assert bench.scheduler.queue_length == 0
    assert bench.metrics["extracted_frames"] == 9


def test_a_second_touch_of_an_instance_that_waits_moves_the_frame_that_goes_first(bench: Bench) -> None:
    name = bench.take_in(1, big_frames(5), frames=5)
    entry = bench.catalogue.describe(name)
    bench.scheduler.queue_missed(entry, 1)
    bench.scheduler.queue_missed(entry, 4)
    bench.scheduler.submit(name, Priority.ARRIVED)
    bench.run(name)

    assert bench.first_frames()[0] == 4


class SmallFormCodecs:
    """Makes a small form that says whose it is."""

    def transcode(self, header: bytes, frame: bytes | memoryview, frame_number: int, target: str) -> bytes:  # noqa: ARG002
        return f"small {frame_number}".encode()

    def render(self, *_: object) -> bytes:
        raise NotImplementedError


@pytest.fixture
def small_forms(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, codecs=SmallFormCodecs(), rules=[Rule(form="HTJ2K")])
    yield made
    made.workers.stop()
    made.desk.close()


def forms_kept(bench: Bench) -> list[tuple[str, str]]:
    return [(key.split("/")[0], row.representation) for key, (_, row) in bench.store.rows.items()]


def test_the_stored_forms_of_a_burst_are_warm_before_the_first_small_form(small_forms: Bench) -> None:
    bench = small_forms
    names = [bench.take_in(number) for number in range(3)]
    bench.run(*names)
    assert eventually(lambda: len(bench.store.rows) == 6)

    stored, small = [(uuid(n), EXPLICIT) for n in range(3)], [(uuid(n), HTJ2K_LOSSLESS_RPCL) for n in range(3)]
    assert forms_kept(bench) == stored + small
    assert {bench.scheduler.state(name) for name in names} == {ExtractionState("cached")}
    assert eventually(lambda: bench.metrics["extracted_frames"] == 18)  # counted behind the last row
    assert eventually(lambda: bench.metrics["extracted_instances"] == 3)


def test_an_instance_is_cached_while_its_small_form_is_made_and_is_not_queued_anew(small_forms: Bench) -> None:
    bench, states, queued = small_forms, list[object](), list[int]()
    name = bench.take_in(1)
    entry = bench.catalogue.describe(name)

    def look() -> None:
        states.append(bench.scheduler.state(name))
        if len(states) == 2:
            bench.scheduler.queue_missed(entry, 2)
            queued.append(bench.scheduler.queue_length)

    bench.store.before_keep = look
    bench.run(name)
    assert eventually(lambda: bench.done == [name])

    assert states == [ExtractionState("running"), ExtractionState("cached")]
    assert (bench.with_stored_form, bench.done) == ([name], [name])
    assert queued == [0]
    assert eventually(lambda: not bench.scheduler.unfinished)


def test_the_small_form_a_viewer_waits_for_goes_before_what_arrived(small_forms: Bench) -> None:
    bench = small_forms
    names = [bench.take_in(number) for number in range(3)]
    bench.scheduler.submit(names[2], Priority.VIEWER)
    bench.run(*names)
    assert eventually(lambda: len(bench.store.rows) == 6)

    assert forms_kept(bench)[:2] == [(uuid(2), EXPLICIT), (uuid(2), HTJ2K_LOSSLESS_RPCL)]


def test_an_instance_deleted_before_its_small_form_leaves_nothing_behind(small_forms: Bench) -> None:
    bench = small_forms
    names = [bench.take_in(number) for number in range(2)]

    def delete() -> None:
        if len(bench.store.rows) == 1:  # the first is cached, its small form waits
            bench.api.delete(names[0])
            bench.store.versions.remove_all(names[0])

    bench.store.before_keep = delete
    bench.run(*names)
    assert eventually(lambda: len(bench.store.rows) == 2 and bench.scheduler.queue_length == 0)

    assert forms_kept(bench) == [(uuid(1), EXPLICIT), (uuid(1), HTJ2K_LOSSLESS_RPCL)]


def test_frames_beside_one_that_was_made_for_a_viewer_are_cut_out_as_well(small_forms: Bench) -> None:
    """The keeper's block has that frame alone, the filler's would begin with it."""
    name = small_forms.take_in(1)
    entry = small_forms.catalogue.describe(name)
    entry.add(small_forms.store.blocks.keep(entry.instance, HTJ2K_LOSSLESS_RPCL, {1: memoryview(b"made")}))

    small_forms.run(name)

    assert eventually(lambda: {n for form, n in list(entry.blocks) if form == HTJ2K_LOSSLESS_RPCL} == {1, 2, 3})


@given(st.integers(1, 50), st.integers(1, 9), st.integers(1, 60))
def test_nearest_first_loses_no_block_and_begins_with_the_nearest(frames: int, count: int, near: int) -> None:
    blocks = [range(first, min(first + count, frames + 1)) for first in range(1, frames + 1, count)]
    ordered = nearest_first(blocks, near)

    assert sorted(ordered, key=lambda numbers: numbers[0]) == blocks
    if near <= frames:
        assert near in ordered[0]


def order_of_work(bench: Bench, names: list[str]) -> list[str]:
    done: list[str] = []
    describe = bench.catalogue.describe

    def noting(name: str) -> object:
        done.append(name)
        return describe(name)

    bench.catalogue.describe = noting  # type: ignore[method-assign, assignment]
    bench.start()
    assert eventually(lambda: all(bench.is_done(name) for name in names))
    return done


def test_what_a_viewer_waits_for_goes_before_what_arrived_and_each_once(bench: Bench) -> None:
    names = [bench.take_in(number) for number in range(4)]
    for name in names:
        bench.scheduler.submit(name, Priority.ARRIVED)
        bench.scheduler.submit(name, Priority.ARRIVED)
    bench.scheduler.submit(names[3], Priority.VIEWER)
    bench.scheduler.submit(names[3], Priority.ARRIVED)
    assert bench.scheduler.queue_length == 4

    assert order_of_work(bench, names) == [names[3], names[0], names[1], names[2]]
    assert bench.scheduler.queue_length == 0


def test_the_queue_has_an_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path, longest_queue=2)
    assert [bench.scheduler.submit(orthanc_id(number), Priority.WARMED) for number in range(3)] == [True, True, False]
    assert bench.scheduler.submit(orthanc_id(0), Priority.VIEWER)
    assert not bench.scheduler.submit(orthanc_id(4), Priority.VIEWER)
    assert (bench.scheduler.queue_length, bench.metrics["dropped_from_queue"]) == (2, 2)
    bench.desk.close()


def test_what_arrives_is_never_dropped(tmp_path: Path) -> None:
    """Whoever reads Orthanc's log of changes stops reading first."""
    bench = Bench(tmp_path, longest_queue=2)
    assert all(bench.scheduler.submit(orthanc_id(number), Priority.ARRIVED) for number in range(5))
    assert bench.scheduler.queue_length == 5
    bench.desk.close()


def test_one_bad_instance_stops_nothing(bench: Bench, log: FakeLog) -> None:
    bad = bench.take_in(1, native(bytes(72))[:-60])
    noise = bench.take_in(2, b"no DICOM file at all")
    good = bench.take_in(3)
    bench.run(bad, noise, good)

    assert bench.scheduler.state(good) == ExtractionState("cached")
    assert bench.scheduler.failures() == {
        bad: "the pixel data ends within its first frame",
        noise: "the stored file is not in DICOM File Format",
    }
    assert bench.metrics["failed_extractions"] == 2
    assert len(log.of("warning")) == 2


@pytest.mark.parametrize(
    ("error", "becomes"),
    [(DoesNotFit("full"), "skipped"), (StoreError("read-only"), "skipped"), (KeyError("bug"), "failed")],
)
def test_a_store_that_refuses_ends_the_instance_and_gives_memory_back(
    bench: Bench, error: Exception, becomes: str
) -> None:
    name = bench.take_in(1)
    bench.store.fails = error
    bench.run(name)

    state = bench.scheduler.state(name)
    assert state is not None
    assert state.state == becomes
    assert bench.pool.leased == 0
    bench.store.fails = None
    bench.scheduler.submit(name, Priority.ARRIVED)
    assert eventually(lambda: bench.scheduler.state(name) == ExtractionState("cached"))


def test_what_was_evicted_is_cut_out_again_as_a_whole(bench: Bench) -> None:
    name = bench.take_in(1)
    bench.run(name)
    bench.store.versions.remove_all(name)
    assert not bench.store.rows
    bench.scheduler.submit(name, Priority.VIEWER)

    assert eventually(lambda: sum(row.count for _, row in bench.store.rows.values()) == 3)


VIDEO = "1.2.840.10008.1.2.4.102"


@pytest.mark.parametrize(
    ("syntax", "content"),
    [("1.2.3.4", native(bytes(72))), (VIDEO, encapsulated([b"", b"a" * 100], VIDEO))],
)
def test_what_is_not_sent_as_it_is_stored_is_skipped(bench: Bench, syntax: str, content: bytes) -> None:
    name = bench.take_in(1, content, syntax)
    bench.run(name)

    state = bench.scheduler.state(name)
    assert state is not None
    assert not bench.store.rows
    assert state.state == "skipped"


@pytest.mark.parametrize(
    ("mode", "has_folder", "syntax", "kept"),
    [
        ("copy", True, EXPLICIT, "blocks"),
        ("index", True, EXPLICIT, "index"),
        ("auto", True, EXPLICIT, "index"),
        ("index", True, JPEG_2000, "index"),
        ("index", True, DEFLATED, "nothing"),
        ("auto", True, DEFLATED, "blocks"),
        ("index", True, BIG_ENDIAN, "nothing"),
        ("auto", True, BIG_ENDIAN, "blocks"),
        ("index", False, EXPLICIT, "nothing"),
        ("auto", False, EXPLICIT, "blocks"),
    ],
)
def test_the_mode_says_what_is_kept(tmp_path: Path, mode: Mode, syntax: str, kept: str, *, has_folder: bool) -> None:
    bench = Bench(tmp_path, has_folder=has_folder, mode=mode)
    content = encapsulated([b"", *FRAGMENTS]) if syntax == JPEG_2000 else native(bytes(72), syntax)
    name = bench.take_in(1, content, syntax)
    bench.run(name)

    state = bench.scheduler.state(name)
    assert state is not None
    assert (bool(bench.store.rows), bool(bench.store.indexes)) == (kept == "blocks", kept == "index")
    assert (bench.catalogue.describe(name).index is not None) == (kept == "index")
    assert state.state == ("skipped" if kept == "nothing" else "cached")
    assert bench.metrics["extracted_frames"] == (0 if kept == "nothing" else 3)
    bench.workers.stop()
    bench.desk.close()


def test_an_index_of_what_is_larger_than_the_cache_fits_into_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, mode="auto")
    bench.store.limit = 100
    name = bench.take_in(1)
    bench.run(name)

    assert bench.scheduler.state(name) == ExtractionState("cached")
    bench.workers.stop()
    bench.desk.close()


BITS: dict[str, Any] = {"Rows": 3, "Columns": 3, "BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}
LYING = np.array([0, 22, 30, 88], "<u4").tobytes()  # the first frame and the last are where it says
NOT_TO_INDEX = {
    "single bits": (native(bytes([0b11001010, 0b01110011, 0b101, 0]), **BITS), EXPLICIT, 3),
    "a frame is missing": (native(bytes(48)), EXPLICIT, 2),
    "a frame is cut short": (native(bytes(72))[:-10], EXPLICIT, 2),
    "a JPEG 2000 frame is missing": (encapsulated([b"", *FRAGMENTS], NumberOfFrames=4), JPEG_2000, 3),
    "an offset table that lies": (encapsulated([LYING, *FRAGMENTS, *FRAGMENTS[:2]], NumberOfFrames=4), JPEG_2000, 0),
}


@pytest.mark.parametrize("case", NOT_TO_INDEX)
@pytest.mark.parametrize("mode", ["auto", "index"])
def test_what_cannot_be_indexed_is_copied_where_it_may_be(tmp_path: Path, mode: Mode, case: str) -> None:
    bench = Bench(tmp_path, mode=mode)
    content, syntax, frames = NOT_TO_INDEX[case]
    name = bench.take_in(1, content, syntax)
    bench.run(name)

    state = bench.scheduler.state(name)
    assert state is not None
    assert not bench.store.indexes
    if mode == "index":
        assert (state.state, bool(bench.store.rows)) == ("skipped", False)
    else:
        assert state.state == ("cached" if frames else "failed"), state
        assert sum(row.count for _, row in bench.store.rows.values()) == frames
    bench.workers.stop()
    bench.desk.close()


def test_what_is_larger_than_the_cache_is_not_copied_for_want_of_an_index(tmp_path: Path) -> None:
    bench = Bench(tmp_path, mode="auto")
    bench.store.limit = 100
    name = bench.take_in(1, *NOT_TO_INDEX["a frame is missing"][:2])
    bench.run(name)

    assert bench.scheduler.state(name) == ExtractionState("skipped", "the instance is larger than the cache")
    assert not bench.store.rows
    bench.workers.stop()
    bench.desk.close()


def test_an_index_that_could_not_be_kept_is_made_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, mode="index")
    name = bench.take_in(1)
    bench.store.fails = DoesNotFit("full")
    bench.run(name)
    assert bench.catalogue.describe(name).index is None
    bench.store.fails = None
    bench.scheduler.submit(name, Priority.ARRIVED)

    assert eventually(lambda: bench.scheduler.state(name) == ExtractionState("cached"))
    assert set(bench.store.indexes) == {uuid(1)}
    bench.workers.stop()
    bench.desk.close()


def test_what_the_settings_leave_out_or_the_cache_cannot_hold_is_skipped(bench: Bench) -> None:
    left_out, large = bench.take_in(1), bench.take_in(2)
    bench.policy.other = Treatment("never")
    bench.run(left_out)
    bench.policy.other = None
    bench.store.limit = 100
    bench.scheduler.submit(large, Priority.ARRIVED)
    assert eventually(lambda: bench.is_done(large))

    assert bench.scheduler.state(left_out) == ExtractionState("skipped", "excluded by the settings")
    assert bench.scheduler.state(large) == ExtractionState("skipped", "the instance is larger than the cache")
    assert not bench.store.rows


def test_what_waits_for_a_viewer_is_cached_by_a_viewer_or_whoever_asks_for_it(bench: Bench) -> None:
    names = [bench.take_in(number) for number in range(1, 6)]
    bench.policy.other = Treatment("demand")
    turns = (Priority.ARRIVED_HIGH, Priority.ARRIVED, Priority.ARRIVED_LOW, Priority.WARMED, Priority.VIEWER)
    for name, turn in zip(names, turns, strict=True):
        bench.scheduler.submit(name, turn)
    bench.run()
    assert eventually(lambda: all(map(bench.is_done, names)))

    waits = ExtractionState("skipped", "the settings cache it when a viewer asks for it")
    assert [bench.scheduler.state(name) for name in names] == [waits] * 3 + [ExtractionState("cached")] * 2


def test_what_arrived_goes_in_the_turn_that_the_rules_give_it(bench: Bench) -> None:
    names = [bench.take_in(number) for number in range(1, 6)]
    turns = (Priority.WARMED, Priority.ARRIVED_LOW, Priority.ARRIVED, Priority.ARRIVED_HIGH, Priority.VIEWER)
    for name, turn in zip(names, turns, strict=True):
        bench.scheduler.submit(name, turn)
    bench.run()
    assert eventually(lambda: all(map(bench.is_done, names)))

    assert bench.done == names[::-1]


def test_each_instance_is_kept_in_the_form_that_its_rule_says(tmp_path: Path) -> None:
    rules = parse_rules([{"MaximumFrames": 1, "Form": "index"}, {}])
    bench = Bench(tmp_path, rules=rules)
    indexed, copied = bench.take_in(1, native(bytes(24), NumberOfFrames=1), frames=1), bench.take_in(2)
    bench.run(indexed, copied)
    bench.workers.stop()
    bench.desk.close()

    assert [bench.scheduler.state(name) for name in (indexed, copied)] == [ExtractionState("cached")] * 2
    assert (set(bench.store.indexes), len(bench.store.rows)) == ({uuid(1)}, 1)
    assert set(bench.extraction_cost.measured()) == {"stored", "index"}


def test_an_instance_deleted_before_its_turn_is_skipped_without_a_word(bench: Bench, log: FakeLog) -> None:
    bench.run(orthanc_id(7))

    assert bench.scheduler.state(orthanc_id(7)) == ExtractionState("skipped", "the instance was deleted or replaced")
    assert not log.of("warning")


def test_what_shares_its_uids_with_another_patient_s_is_not_cached(bench: Bench) -> None:
    names = [bench.api.store(native(bytes(72)), orthanc_id=orthanc_id(i), uuid=uuid(i)) for i in (1, 2)]

    bench.run(*names)

    for name in names:
        assert bench.scheduler.state(name) == ExtractionState("skipped", "the UIDs are those of several instances")
    assert bench.store.rows == {}


def test_what_is_cancelled_before_its_turn_leaves_nothing_in_memory(bench: Bench) -> None:
    name = bench.take_in(1)
    bench.scheduler.submit(name, Priority.WARMED, near=2)

    bench.scheduler.withdraw(name)

    assert (bench.scheduler.queue_length, bench.done, bench.scheduler.unfinished) == (0, [name], 0)


def test_a_purge_that_fails_ends_no_worker(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    purged, other = bench.take_in(1), bench.take_in(2)

    def refuse(*_: str) -> int:
        raise TypeError

    def purge() -> None:
        bench.store.before_keep = lambda: None
        bench.scheduler.cancel(purged)

    monkeypatch.setattr(bench.store.versions, "remove_all", refuse)
    bench.store.before_keep = purge
    bench.run(purged, other)

    assert bench.scheduler.state(other) == ExtractionState("cached")
    assert not bench.scheduler.at_work()


def test_an_instance_that_is_evicted_while_it_is_cut_out_goes_whole(bench: Bench) -> None:
    name, kept = bench.take_in(1, big_frames(4), frames=4), list[int]()

    def evict_in_the_middle() -> None:
        kept.append(1)
        if len(kept) == 3:
            bench.store.versions.remove_all(name)

    bench.store.before_keep = evict_in_the_middle
    bench.run(name)

    assert len(kept) == 4
    assert (bench.store.rows, bench.store.known) == ({}, {})
    assert not bench.catalogue.describe(name).blocks
    state = bench.scheduler.state(name)
    assert state is not None
    assert (state.state, "too small" in (state.error or "")) == ("skipped", True)


@pytest.mark.parametrize("damage", ["header", "frame", "gone"])
def test_what_was_found_damaged_is_cut_out_anew_and_counted_once(bench: Bench, damage: str) -> None:
    name = bench.take_in(1, big_frames(4), frames=4)
    bench.run(name)
    entry = bench.catalogue.describe(name)
    old = dict(bench.store.rows)
    row = entry.blocks[EXPLICIT, 2]
    if damage == "gone":
        why: BrokenBlock = BlockGone("gone")
        take_away(row)
    else:
        why, content = BrokenBlock(damage), bytearray(content_of(row))
        content[20 if damage == "header" else -5] ^= 1
        overwrite(row, content)
    for _ in range(2):
        entry.drop(row, why)
    bench.scheduler.queue_missed(entry, 2)
    assert eventually(lambda: bench.done == [name] * 2)
    bench.scheduler.submit(name, Priority.VIEWER, 2)
    assert eventually(lambda: bench.done == [name] * 3)

    assert eventually(lambda: bench.metrics["extracted_instances"] == 2)
    assert {key for key in old if bench.store.rows[key] != old[key]} == {row.key}
    assert len(read_frame(entry.blocks[EXPLICIT, 2], 2)) == BIG
    assert bench.metrics["damaged_blocks"] == (damage != "gone")


def test_damage_that_a_reader_meets_while_its_frames_are_written_anew_is_counted(bench: Bench) -> None:
    name = bench.take_in(1, big_frames(4), frames=4)
    bench.run(name)
    entry = bench.catalogue.describe(name)
    damaged = [entry.blocks[EXPLICIT, number] for number in (2, 3)]

    def meet_the_other() -> None:
        bench.store.before_keep = lambda: None
        entry.drop(damaged[1], BrokenBlock("zeroed"))

    bench.store.before_keep = meet_the_other
    entry.drop(damaged[0], BrokenBlock("zeroed"))
    bench.scheduler.queue_missed(entry, 2)

    assert eventually(lambda: bench.done == [name] * 2)
    assert bench.metrics["damaged_blocks"] == 2
    for row in damaged:  # by a reader that still holds what it had found
        entry.drop(row, BrokenBlock("zeroed"))
    bench.scheduler.submit(name, Priority.VIEWER, 2)
    assert eventually(lambda: bench.done == [name] * 3)
    assert bench.metrics["damaged_blocks"] == 2


@pytest.mark.parametrize("has_folder", [True, False], ids=["folder", "object storage"])
def test_an_instance_deleted_while_it_is_filled_leaves_nothing_behind(tmp_path: Path, *, has_folder: bool) -> None:
    bench = Bench(tmp_path, has_folder=has_folder)
    name = bench.take_in(1, big_frames(4), frames=4)
    kept: list[int] = []

    def delete_in_the_middle() -> None:
        kept.append(1)
        if len(kept) == 2:
            bench.api.delete(name)

    bench.store.before_keep = delete_in_the_middle
    bench.run(name)

    assert len(kept) >= 2
    assert bench.store.rows == {}
    assert bench.store.known == {}
    assert not list(tmp_path.glob("f_*"))
    state = bench.scheduler.state(name)
    assert state is not None
    assert state.state == "skipped"
    bench.workers.stop()


def test_a_fill_of_an_older_version_is_left_for_the_newer_which_loses_nothing_by_it(bench: Bench) -> None:
    """Two workers: that of the old version is still writing when the new version is queued."""
    name = bench.take_in(1, big_frames(4), frames=4)
    kept: list[str] = []

    def replace_it() -> None:
        kept.append(threading.current_thread().name)
        if len(kept) == 1:
            bench.api.store(native(bytes(72)), orthanc_id=name, uuid=uuid(77), path=InstancePath(STUDY, SERIES, "1.9"))
            bench.scheduler.forget(name)  # Orthanc tells that the old one was deleted
            bench.scheduler.submit(name, Priority.ARRIVED)

    bench.store.before_keep = replace_it
    bench.scheduler.submit(name, Priority.ARRIVED)
    bench.start(2)
    assert eventually(lambda: bench.done == [name])

    assert len(kept) == 2  # one block of the old version, one of the new
    assert {key.split("/")[0] for key in bench.store.rows} == {uuid(77)}
    assert InstancePath(STUDY, SERIES, "1.9") in bench.store.known
    assert bench.scheduler.state(name) == ExtractionState("cached")
    assert bench.metrics["failed_extractions"] == 0


def test_an_instance_at_work_that_is_asked_for_again_is_not_cut_out_by_two(bench: Bench) -> None:
    name, other = bench.take_in(1, big_frames(4), frames=4), bench.take_in(2)
    kept: list[bool] = []

    def ask_again() -> None:
        kept.append(bench.scheduler.submit(name, Priority.WARMED))
        if len(kept) == 1:
            bench.scheduler.submit(other, Priority.WARMED)
            assert eventually(lambda: other in bench.done)  # by the other worker, which had time enough

    bench.store.before_keep = ask_again
    bench.scheduler.submit(name, Priority.ARRIVED)
    bench.start(2)
    assert eventually(lambda: other in bench.done and not bench.scheduler.is_busy_with(name))
    assert len(kept) == 5  # blocks: four of the one and one of the other


@pytest.mark.parametrize(("times", "state"), [(1, "cached"), (2, "cached"), (9, "skipped")])
def test_an_instance_that_there_is_no_memory_for_is_tried_again_soon(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, times: int, state: str
) -> None:
    name, refused, lease = bench.take_in(1), list[int](), bench.pool.take

    def take(size: int, patience: float) -> bytearray:
        if len(refused) < times:
            refused.append(size)
            raise Overloaded("too many bytes are being answered at once")
        return lease(size, patience)

    monkeypatch.setattr(bench.pool, "take", take)
    bench.run(name, pause=0.05)
    assert eventually(lambda: bench.done == [name])
    found = bench.scheduler.state(name)
    assert found is not None
    assert (found.state, found.error is None) == (state, state == "cached")
    assert (len(refused), bench.metrics["failed_extractions"]) == (min(times, 3), 0)
    assert bench.scheduler.queue_missed(bench.catalogue.describe(name), 1) == "not_cached"  # and not "failed"


def test_the_stop_does_not_wait_for_memory(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it take the instance for done."""
    asked = threading.Event()

    def take(_size: int, _patience: float) -> bytearray:
        asked.set()
        raise Overloaded("too many bytes are being answered at once")

    monkeypatch.setattr(bench.pool, "take", take)
    bench.scheduler.submit(bench.take_in(1), Priority.ARRIVED)
    bench.start()
    assert asked.wait(30)
    bench.workers.stop()
    assert (bench.workers.join(30), bench.done) == (True, [])


def test_an_older_version_s_blocks_go_when_the_new_one_is_filled(bench: Bench) -> None:
    name = bench.take_in(1)
    bench.run(name)
    bench.api.store(native(bytes(72)), orthanc_id=name, uuid=uuid(77), path=InstancePath(STUDY, SERIES, "1.9"))
    bench.scheduler.submit(name, Priority.ARRIVED)
    assert eventually(lambda: bench.metrics["extracted_instances"] == 2)

    assert {key.split("/")[0] for key in bench.store.rows} == {uuid(77)}


def test_stopping_ends_after_the_block_that_is_being_written(bench: Bench) -> None:
    name = bench.take_in(1, big_frames(6), frames=6)
    writing, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        writing.set()
        go_on.wait(30)

    bench.store.before_keep = wait
    bench.scheduler.submit(name, Priority.ARRIVED)
    bench.start(2)
    assert writing.wait(30)
    bench.workers.stop()
    go_on.set()
    assert bench.workers.join(30)

    assert len(bench.store.rows) == 1
    assert bench.scheduler.state(name) == ExtractionState("queued")


def test_all_that_ended_is_told_of_whatever_became_of_it(bench: Bench) -> None:
    good, bad, gone = bench.take_in(1), bench.take_in(2, native(bytes(72))[:-10]), orthanc_id(3)
    bench.run(good, bad, gone)

    assert eventually(lambda: bench.done == [good, bad, gone])


@pytest.mark.parametrize("event", ["stop", "again"])
def test_what_was_interrupted_or_stored_again_meanwhile_is_not_done(bench: Bench, event: str) -> None:
    name = bench.take_in(1)
    states: list[int] = []

    def interrupt() -> None:
        if not states:
            states.append(1)
            bench.workers.stop() if event == "stop" else bench.scheduler.submit(name, Priority.ARRIVED)

    bench.store.before_keep = interrupt
    bench.scheduler.submit(name, Priority.ARRIVED)
    bench.start()
    if event == "stop":
        assert bench.workers.join(30)
        assert bench.done == []
    else:
        assert eventually(lambda: bench.done == [name])
        assert bench.scheduler.queue_length == 0


def test_a_full_queue_does_not_hold_up_the_stop(bench: Bench) -> None:
    for number in range(1000):
        bench.scheduler.submit(orthanc_id(number), Priority.ARRIVED)
    bench.workers.stop()
    bench.workers.start()
    assert bench.workers.join(30)


@pytest.mark.parametrize("priority", [Priority.VIEWER, Priority.BACKFILL])
def test_what_does_not_fit_leaves_no_half_and_does_not_push_others_out_again_and_again(
    tmp_path: Path, priority: Priority
) -> None:
    bench = Bench(tmp_path)
    known, large = bench.take_in(1, big_frames(2), frames=2), bench.take_in(2, big_frames(4), frames=4)
    bench.run(known)

    def refuse() -> None:
        if len(bench.store.rows) == 4:
            raise DoesNotFit("the instance does not fit into the cache")

    bench.store.before_keep = refuse
    bench.scheduler.submit(large, priority)
    assert eventually(lambda: bench.is_done(large))
    state = bench.scheduler.state(large)
    assert state is not None
    assert (state.state, state.error) == ("skipped", "the instance does not fit into the cache")
    assert {owner for owner, _ in bench.store.rows.values()} == {known}
    entry = bench.catalogue.describe(large)
    assert not entry.blocks
    assert bench.scheduler.queue_missed(entry, 1) == "not_cached"
    # The backfill takes no room from others; for a viewer it would have been made.
    assert bench.scheduler.is_busy_with(large) == (priority == Priority.BACKFILL)
    bench.workers.stop()
    bench.desk.close()


@pytest.mark.parametrize(
    ("state", "times", "seconds", "is_queued"),
    [
        ("failed", 1, 0, False),
        ("failed", 1, 299, False),
        ("failed", 1, 301, True),
        ("failed", 2, 301, True),
        ("failed", 3, 1e6, False),
        ("cached", 1, 0, True),
    ],
)
def test_a_wanted_instance_is_queued_unless_it_failed_lately_or_too_often(
    bench: Bench, state: str, times: int, seconds: float, *, is_queued: bool
) -> None:
    name = bench.take_in(1)
    entry = bench.catalogue.describe(name)
    for _ in range(times):
        bench.scheduler.submit(name, Priority.ARRIVED)
        task = bench.scheduler.take()
        assert task is not None
        bench.scheduler.finish(task, ExtractionState(state, at=bench.clock.now if state == "failed" else 0.0))
    bench.clock.now += seconds
    bench.scheduler.queue_missed(entry, 2)

    bench.scheduler.submit(name, Priority.OPENED)

    assert (bench.scheduler.queue_length, bench.opened) == ((1, [name]) if is_queued else (0, []))
    assert bench.scheduler.submit(name, Priority.WARMED)
    assert bench.scheduler.queue_length == 1  # somebody wants it all the same
    bench.scheduler.forget(name)
    assert bench.scheduler.state(name) is None


def test_who_waited_for_a_frame_that_is_kept_by_now_queues_nothing(bench: Bench) -> None:
    name = bench.take_in(1)
    entry = bench.catalogue.describe(name)
    bench.run(name)
    bench.scheduler.queue_missed(entry, 2)
    assert (bench.scheduler.queue_length, bench.scheduler.state(name)) == (0, ExtractionState("cached"))
    bench.workers.stop()
    entry.blocks.clear()
    bench.scheduler.queue_missed(entry, 2)
    assert bench.scheduler.queue_length == 1


def test_what_is_remembered_of_instances_is_bounded(tmp_path: Path) -> None:
    bench = Bench(tmp_path, most_states=10)
    names = [orthanc_id(number) for number in range(50)]
    for name in names:
        bench.scheduler.submit(name, Priority.ARRIVED)
    bench.start()
    assert eventually(lambda: bench.scheduler.queue_length == 0 and bench.is_done(names[-1]))

    assert sum(bench.scheduler.state(name) is not None for name in names) == 10
    assert bench.scheduler.unfinished == 0
    bench.workers.stop()


def test_what_was_asked_for_is_told_first_things_first_with_what_is_at_work(bench: Bench) -> None:
    others = (Priority.ARRIVED, Priority.BACKFILL, Priority.WARMED)
    for number, priority in enumerate((Priority.PRIOR, *others, Priority.OPENED)):
        bench.scheduler.submit(orthanc_id(number), priority)
    assert bench.scheduler.asked_for(9) == [(orthanc_id(4), Priority.OPENED), (orthanc_id(0), Priority.PRIOR)]
    assert bench.scheduler.asked_for(1) == [(orthanc_id(4), Priority.OPENED)]
    assert bench.scheduler.take()
    assert bench.scheduler.asked_for(1) == [(orthanc_id(4), Priority.OPENED)]


def test_several_workers_share_the_work(bench: Bench) -> None:
    names = [bench.take_in(number) for number in range(20)]
    bench.run(*names, workers=4)

    assert bench.metrics["extracted_frames"] == 60
    assert len(bench.store.rows) == 20


def test_a_viewer_s_wait_has_a_cause(bench: Bench) -> None:
    known, bad = bench.take_in(1), bench.take_in(2, b"no DICOM file at all")
    entry = bench.catalogue.describe(known)

    assert [bench.scheduler.queue_missed(entry, 1) for _ in range(2)] == ["not_cached", "queued"]
    entry.treatment = Treatment("never")
    assert bench.scheduler.queue_missed(entry, 1) == "left_out"
    bench.run(bad)
    assert bench.scheduler.queue_missed(bench.catalogue.describe(bad), 1) == "failed"


def test_what_waits_longest_and_what_is_at_work_can_be_seen(bench: Bench) -> None:
    seen: list[tuple[float, list[tuple[str, Priority, int, float]]]] = []

    def look() -> None:
        work = [(one.orthanc_id, one.priority, one.cached_frames, one.since) for one in bench.scheduler.at_work()]
        seen.append((bench.scheduler.oldest_waiting, work))

    names = [bench.take_in(number, big_frames(2), frames=2) for number in range(2)]
    assert bench.scheduler.oldest_waiting == 0.0
    bench.scheduler.submit(names[0], Priority.ARRIVED)
    bench.clock.now += 5
    bench.scheduler.submit(names[1], Priority.ARRIVED)
    bench.scheduler.submit(names[0], Priority.VIEWER)
    bench.clock.now += 2
    bench.store.before_keep = look
    bench.run(*names)

    first, second = [(names[0], Priority.VIEWER), (names[1], Priority.ARRIVED)]
    now = bench.clock.monotonic()
    assert seen[:2] == [(2.0, [(*first, 0, now)]), (2.0, [(*first, 1, now)])]
    assert seen[2:] == [(0.0, [(*second, 0, now)]), (0.0, [(*second, 1, now)])]
    assert bench.scheduler.at_work() == []


def test_a_block_that_a_reader_found_damaged_is_written_again(bench: Bench, log: FakeLog) -> None:
    name = bench.take_in(1, big_frames(2), frames=2)
    bench.run(name)
    entry = bench.catalogue.describe(name)
    damaged, whole = (entry.blocks[EXPLICIT, number] for number in (1, 2))
    bench.store.before_keep = lambda: log.info("written")
    entry.drop(damaged, BrokenBlock("cut short"))

    assert bench.scheduler.queue_missed(entry, 1) == "not_cached"
    assert eventually(lambda: (EXPLICIT, 1) in entry.blocks)
    assert not entry.lost
    assert entry.blocks[EXPLICIT, 2] == whole
    assert log.of("info").count("written") == 1


def test_the_backfill_stops_within_an_instance_for_what_arrives_and_goes_on_where_it_was(bench: Bench) -> None:
    old, new = bench.take_in(1, big_frames(4), frames=4), bench.take_in(2)
    arrived, gave_way = list[bool](), list[bool]()

    def arrive() -> None:
        if threading.current_thread().name == "frame-cache-extraction-0":
            gave_way.append(eventually(lambda: (old, "queued") in bench.states))
        elif len(bench.store.rows) == 1 and not arrived:
            arrived.append(bench.scheduler.submit(new, Priority.ARRIVED))

    bench.store.before_keep = arrive
    bench.scheduler.submit(old, Priority.BACKFILL)
    bench.start()
    assert eventually(lambda: sorted(bench.done) == sorted([old, new]))

    owners = [owner for owner, _ in bench.store.rows.values()]
    assert owners == [old, old, new, old, old]  # the block that was being written when it came is finished
    assert gave_way == [True]
    assert (bench.done, bench.scheduler.state(old)) == ([new, old], ExtractionState("cached"))
    assert eventually(lambda: bench.metrics["extracted_instances"] == 2)
    assert bench.store.in_background == {old}


def test_the_backfill_takes_only_room_that_is_free(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.store.limit = 3 * BIG
    old = bench.take_in(1, big_frames(2), frames=2)
    large = bench.take_in(2, big_frames(2), frames=2)
    bench.scheduler.submit(old, Priority.BACKFILL)
    bench.scheduler.submit(large, Priority.BACKFILL)
    bench.start()
    assert eventually(lambda: bench.done == [old, large])

    assert bench.scheduler.state(old) == ExtractionState("cached")
    assert bench.scheduler.state(large) == ExtractionState("skipped", "the instance does not fit into the cache")
    assert len(bench.store.rows) == 2
    bench.scheduler.submit(large, Priority.VIEWER)  # whom the store would make room for
    assert eventually(lambda: bench.scheduler.state(large) == ExtractionState("cached"))
    bench.workers.stop()
    bench.desk.close()


@pytest.mark.parametrize(("times", "state"), [(1, "cached"), (2, "cached"), (3, "skipped")])
def test_an_instance_that_is_replaced_while_it_is_read_is_read_again(bench: Bench, times: int, state: str) -> None:
    """Of a file that Orthanc only compressed no event tells; nobody else would queue it."""
    name, replaced = bench.take_in(1), list[int]()

    def replace_it() -> None:
        if len(replaced) < times:
            replaced.append(len(replaced))
            bench.api.store(
                native(bytes(72)),
                orthanc_id=name,
                uuid=uuid(70 + len(replaced)),
                path=InstancePath(STUDY, SERIES, "1.9"),
            )

    bench.store.before_keep = replace_it
    bench.run(name)

    found = bench.scheduler.state(name)
    assert found is not None
    assert found.state == state
    assert len(bench.store.rows) == (state == "cached")
    assert bench.done == [name]
