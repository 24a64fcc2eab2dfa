"""Purge, warm, verify and pin."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from framecache.errors import NotFound
from framecache.prefetch.events import InstanceDone
from framecache.prefetch.task import Priority

from tests.unit.admin.site import Site
from tests.unit.blocks import content_of, overwrite, path_of
from tests.unit.dicom_files import native
from tests.unit.fakes import SERIES_ID, STUDY_ID, eventually, orthanc_id

PURGE, WARM, VERIFY = (f"(studies|series|instances)/([^/]+)/{name}" for name in ("purge", "warm", "verify"))
PIN, UNPIN = "studies/([^/]+)/pin", "studies/([^/]+)/unpin"


def files(site: Site) -> list[Path]:
    return sorted(site.folder.rglob("*.block"))


@pytest.mark.parametrize(
    ("level", "name"), [("studies", STUDY_ID), ("series", SERIES_ID), ("instances", orthanc_id(1))]
)
def test_purged_is_what_is_kept_of_it(site: Site, level: str, name: str) -> None:
    names = [site.take_in(1), site.take_in(2)]
    site.warm(*names)
    gone = 1 if level == "instances" else 2

    assert site.do(PURGE, level, name) == {"ID": name, "Instances": gone, "PurgedInstances": gone}
    assert len(files(site)) == 2 - gone
    assert site.do(PURGE, level, name)["PurgedInstances"] == 0
    assert "purged" in site.kinds()


def test_a_purge_ends_the_fill_of_what_is_purged_and_nothing_is_left(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = site.take_in(1, native(bytes(4 * (256 << 10)), Rows=512, Columns=512, NumberOfFrames=4), frames=4)
    at_work, may_go_on = threading.Event(), threading.Event()
    keep = site.store.blocks.keep

    def held_up(*args: Any, **options: Any) -> object:
        row = keep(*args, **options)
        at_work.set()
        assert may_go_on.wait(30)
        return row

    monkeypatch.setattr(site.store.blocks, "keep", held_up)
    site.scheduler.submit(name, Priority.ARRIVED)
    site.start(2)
    assert at_work.wait(30)
    site.do(PURGE, "instances", name)
    site.scheduler.submit(name, Priority.VIEWER)  # somebody wants it again at once: the other worker has to wait
    assert files(site) == []
    monkeypatch.undo()
    may_go_on.set()

    assert eventually(lambda: not site.scheduler.is_busy_with(name))
    assert site.told_instance(name) == ("cached", 4)
    assert len(files(site)) == 4


def test_a_block_that_is_written_behind_a_purge_is_taken_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    name = site.take_in(1)
    at_work, may_go_on = threading.Event(), threading.Event()
    keep = site.store.blocks.keep

    def late(*args: Any, **options: Any) -> object:
        at_work.set()
        assert may_go_on.wait(30)
        return keep(*args, **options)

    monkeypatch.setattr(site.store.blocks, "keep", late)
    site.scheduler.submit(name, Priority.ARRIVED)
    site.start()
    assert at_work.wait(30)
    site.do(PURGE, "instances", name)
    may_go_on.set()

    assert eventually(lambda: not site.scheduler.is_busy_with(name))
    assert files(site) == []
    assert site.told_instance(name) == ("skipped", 0)


def test_what_waits_is_purged_from_the_queue_and_done_with(site: Site) -> None:
    name = site.take_in(1)
    done: list[str] = []
    site.dispatcher.subscribe(InstanceDone, lambda event: done.append(event.orthanc_id))
    site.scheduler.submit(name, Priority.ARRIVED)
    site.do(PURGE, "instances", name)

    assert not site.scheduler.is_busy_with(name)
    assert done == [name]


def test_what_waits_to_be_kept_behind_an_answer_is_purged_too(site: Site) -> None:
    name = site.take_in(1)
    entry = site.catalogue.describe(name)
    site.write_behind.keep(entry, "1.2.840.10008.1.2.1", 1, b"frame")
    site.do(PURGE, "instances", name)
    site.write_behind.start()

    assert eventually(lambda: site.write_behind.pending_bytes == 0)
    assert files(site) == []
    site.write_behind.keep(entry, "1.2.840.10008.1.2.1", 1, b"frame")
    assert eventually(lambda: len(files(site)) == 1)


@pytest.fixture
def small_queue(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, longest_queue=3, most_queued=2)
    yield made
    made.close()


def test_more_is_warmed_than_may_wait_at_once(small_queue: Site) -> None:
    site = small_queue
    for number in range(1, 8):
        site.take_in(number)
    site.take_in(8, native(bytes(24), NumberOfFrames=1), frames=1)
    answer = site.do(WARM, "studies", STUDY_ID)
    assert (answer["Instances"], answer["Queued"]) == (8, 8)
    assert eventually(lambda: site.scheduler.queue_length == 2)
    site.start()

    job = site.job(answer)
    assert (job.state, job.done, job.total) == ("done", 8, 8)
    assert job.result is not None
    assert (job.result["Cached"], job.result["Skipped"]) == (7, 1)
    assert job.size == site.told("studies")["Studies"][0]["Bytes"] > 0
    assert site.metrics["dropped_from_queue"] == 0


def test_a_warming_that_is_cancelled_leaves_the_queue_to_others(site: Site) -> None:
    names = [site.take_in(number) for number in range(1, 5)]
    site.scheduler.submit(names[0], Priority.ARRIVED)
    answer = site.do(WARM, "series", SERIES_ID)
    assert eventually(lambda: site.scheduler.queue_length == 4)
    site.jobs.cancel(answer["Job"])

    assert site.job(answer).state == "cancelled"
    assert [name for name in names if site.scheduler.is_busy_with(name)] == [names[0]]


def test_what_failed_is_told_with_its_reason(site: Site) -> None:
    name = site.take_in(1, native(bytes(72), NumberOfFrames=3)[:-72], frames=3)
    site.start()
    job = site.job(site.do(WARM, "instances", name))

    assert job.result is not None
    assert (job.result["Failed"], list(job.result["Errors"])) == (1, [name])


def test_verified_is_every_block_and_only_damaged_ones_are_dropped(site: Site) -> None:
    big = native(bytes(3 * (256 << 10)), Rows=512, Columns=512, NumberOfFrames=3)
    names = [site.take_in(1, big), site.take_in(2)]
    site.warm(*names)
    victim = site.store.blocks.of_instance(names[0])[1]
    content = bytearray(content_of(victim))
    content[-1] ^= 1
    overwrite(victim, content)
    job = site.job(site.do(VERIFY, "studies", STUDY_ID))

    assert job.result == {
        "Blocks": 4,
        "Frames": 6,
        "Damaged": 1,
        "DamagedBlocks": [
            {"ID": names[0], "FirstFrame": victim.first, "NumberOfFrames": 1, "Error": "the frame is damaged"}
        ],
    }
    assert (job.done, job.total, job.unit) == (2, 2, "instances")
    assert site.metrics["damaged_blocks"] == 1
    assert site.told_instance(names[0]) == ("partial", 2)
    assert not path_of(victim).exists()
    again = site.job(site.do(VERIFY, "instances", names[0]))
    assert again.result is not None
    assert (again.result["Blocks"], again.result["Damaged"]) == (2, 0)


def test_what_is_evicted_while_it_is_verified_is_not_damaged(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    name = site.take_in(1)
    site.warm(name)
    listed = site.store.blocks.of_instance(name)
    site.store.versions.remove_all(name)
    answers = iter([listed, []])
    monkeypatch.setattr(site.store.blocks, "of_instance", lambda _: next(answers))
    job = site.job(site.do(VERIFY, "instances", name))

    assert job.result is not None
    assert (job.state, job.result["Damaged"]) == ("done", 0)


def test_a_study_is_pinned_and_unpinned(site: Site) -> None:
    site.warm(site.take_in(1))

    assert site.do(PIN, STUDY_ID)["Pinned"] is True
    assert site.told("studies")["Studies"][0]["Pinned"] is True
    assert site.do(UNPIN, STUDY_ID)["Pinned"] is False
    assert site.told("studies")["Studies"][0]["Pinned"] is False
    assert [kind for kind in site.kinds() if "pin" in kind] == ["pinned", "unpinned"]


@pytest.mark.parametrize("pattern", [PURGE, WARM, VERIFY])
@pytest.mark.parametrize("level", ["studies", "series", "instances"])
@pytest.mark.parametrize("name", ["x", orthanc_id(5)])
def test_what_is_not_there_is_not_found(site: Site, pattern: str, level: str, name: str) -> None:
    with pytest.raises(NotFound):
        site.do(pattern, level, name)
