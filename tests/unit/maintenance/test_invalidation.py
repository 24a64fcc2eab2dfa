"""What was deleted leaves the cache, whatever else goes wrong; last accesses are written down."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from framecache.maintenance.invalidation import Invalidation
from framecache.prefetch.extraction_states import ExtractionState
from framecache.prefetch.task import Priority
from framecache.store.errors import StoreError

from tests.unit.dicom_files import EXPLICIT, native
from tests.unit.fakes import PATH, FakeLog, eventually, uuid
from tests.unit.harness import CachingBench

FILE = native(bytes(72))


class Bench(CachingBench):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.invalidation = Invalidation(self.catalogue, self.store.records, self.scheduler, flush_seconds=0.02)

    def kept(self, **values: str) -> str:
        """An instance with its record and a block in the store."""
        name = self.api.store(FILE, **values)
        instance = self.catalogue.lookup(PATH).instance
        self.store.records.keep(instance.to_json())
        self.store.blocks.keep(instance, EXPLICIT, {1: memoryview(b"frame")})
        return name


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.store.fails = None
    made.invalidation.stop()
    made.desk.close()


def test_a_deleted_instance_leaves_memory_at_once_and_the_store_a_little_later(bench: Bench) -> None:
    name = bench.kept()
    bench.scheduler.submit(name, Priority.ARRIVED)
    task = bench.scheduler.take()
    assert task is not None
    bench.scheduler.finish(task, ExtractionState("cached"))
    bench.api.delete(name)
    bench.invalidation.deleted(name)

    assert bench.catalogue.number_of_entries == 0
    assert bench.scheduler.state(name) is None
    assert bench.store.rows
    bench.invalidation.start()
    assert eventually(lambda: not bench.store.rows and not bench.store.known)


def test_an_overwritten_instance_keeps_its_new_frames(bench: Bench) -> None:
    bench.kept(uuid=uuid(1))
    name = bench.kept(uuid=uuid(2))
    assert len(bench.store.rows) == 2
    bench.invalidation.start()
    bench.invalidation.deleted(name)

    assert eventually(lambda: [key.split("/")[0] for key in bench.store.rows] == [uuid(2)])


def test_a_version_that_comes_while_it_is_cleaned_up_stays(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, log: FakeLog
) -> None:
    """Deleted, stored again and cut out anew between Orthanc's answer and the cleaning up."""
    name = bench.kept(uuid=uuid(1))
    bench.api.delete(name)
    ask = bench.api.post

    def answer_and_store_again(uri: str, body: bytes) -> bytes:
        answer = ask(uri, body)
        if uri == "/tools/bulk-content" and len(bench.store.rows) == 1:
            bench.kept(uuid=uuid(2))
        return answer

    monkeypatch.setattr(bench.api, "post", answer_and_store_again)
    bench.invalidation.deleted(name)
    bench.invalidation.start()

    assert eventually(lambda: [key.split("/")[0] for key in bench.store.rows] == [uuid(2)])
    assert bench.store.known[PATH].attachment_uuid == uuid(2)
    assert not log.of("warning")


def test_accesses_are_written_down_from_time_to_time_and_at_the_end(bench: Bench) -> None:
    bench.kept()
    bench.invalidation.start()
    assert eventually(lambda: bench.store.touched == {PATH: 1000.0})
    bench.clock.now += 5
    bench.catalogue.lookup(PATH)
    bench.invalidation.stop()

    assert eventually(lambda: bench.store.touched == {PATH: 1005.0})


def test_what_the_store_cannot_look_up_now_is_cleaned_up_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, log: FakeLog
) -> None:
    refused = list[object]()

    def refuse(orthanc_ids: object) -> dict[str, set[str]]:
        refused.append(orthanc_ids)
        raise StoreError("Input/output error")

    name = bench.kept()
    bench.api.delete(name)
    with monkeypatch.context() as patch:
        patch.setattr(bench.store.versions, "of", refuse)
        bench.invalidation.start()
        bench.invalidation.deleted(name)
        assert eventually(lambda: len(refused) > 1)  # tried again, and to be tried once more
        assert bench.store.rows

    assert eventually(lambda: not bench.store.rows)
    assert not log.of("warning")


@pytest.mark.parametrize("error", [StoreError("full"), sqlite3.OperationalError("disk I/O error"), RuntimeError("bug")])
def test_an_error_when_accesses_are_written_ends_no_cleaning(bench: Bench, error: Exception, log: FakeLog) -> None:
    name = bench.kept()
    bench.store.fails = error
    bench.invalidation.start()
    if not isinstance(error, StoreError):
        assert eventually(lambda: bool(log.of("warning")))
    bench.api.delete(name)
    bench.invalidation.deleted(name)

    assert eventually(lambda: not bench.store.rows)


def test_an_error_in_one_deletion_ends_no_other(bench: Bench, log: FakeLog) -> None:
    name = bench.kept()
    bench.api.broken = True
    bench.invalidation.start()
    bench.invalidation.deleted("x")
    assert eventually(lambda: bool(log.of("warning")))
    bench.api.broken = False
    bench.api.delete(name)
    bench.invalidation.deleted(name)

    assert eventually(lambda: not bench.store.rows)
