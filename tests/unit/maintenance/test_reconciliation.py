"""The reconciliation finds what is kept of instances that are gone, and of versions that are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from framecache.dispatcher import Dispatcher
from framecache.maintenance.reconciliation import Reconciliation, StaleInstanceFound
from framecache.orthanc.instance import Instance
from framecache.store.metadata import InstanceMetadata

from tests.unit.dicom_files import EXPLICIT
from tests.unit.fakes import FakeApi, FakeLog, WatchedStore, eventually, instance, orthanc_id, uuid


class Bench:
    def __init__(self) -> None:
        self.api, self.store = FakeApi(), WatchedStore()
        self.suspects: list[str] = []
        self.files: set[str] = set()
        self.begin()

    def begin(self, *, round_seconds: float = 0.02, batch: int = 200) -> None:
        """One run of the plugin."""
        dispatcher = Dispatcher()
        dispatcher.subscribe(StaleInstanceFound, lambda event: self.suspects.append(event.orthanc_id))
        self.reconciliation = Reconciliation(
            self.api,
            self.store.versions,
            self.store.metadata,
            dispatcher,
            self.files.__contains__,
            round_seconds=round_seconds,
            look_seconds=0.02,
            pause_seconds=0.0,
            batch=batch,
        )

    @property
    def questions(self) -> list[str]:
        """What Orthanc was asked about instances."""
        return [call for call in self.api.calls if call not in ("GET /system", "GET /statistics")]

    def keep(self, number: int, *, is_stored: bool = True, with_block: bool = True) -> Instance:
        one = instance(number)
        if is_stored:
            self.api.store(bytes(1000), orthanc_id=one.orthanc_id, uuid=one.attachment_uuid)
        self.store.records.keep(one.to_json())
        if with_block:
            self.store.blocks.keep(one, EXPLICIT, {1: memoryview(b"frame")})
        return one


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.reconciliation.stop()


def test_what_is_gone_and_what_was_replaced_are_suspects_and_nothing_else(bench: Bench) -> None:
    bench.keep(1)
    bench.keep(2, with_block=False)
    gone = bench.keep(3, is_stored=False)
    only_a_record = bench.keep(4, is_stored=False, with_block=False)
    replaced = bench.keep(5)
    bench.api.store(bytes(900), orthanc_id=replaced.orthanc_id, uuid=uuid(99))
    bench.reconciliation.start()

    wanted = {gone.orthanc_id, only_a_record.orthanc_id, replaced.orthanc_id}
    assert eventually(lambda: len(bench.suspects) >= 6)
    assert set(bench.suspects) == wanted


def test_a_large_store_is_gone_through_in_batches(bench: Bench) -> None:
    bench.begin(round_seconds=60, batch=3)
    for number in range(10):
        bench.keep(number, is_stored=number != 7)
    bench.reconciliation.start()

    assert eventually(lambda: bench.suspects == [orthanc_id(7)])
    assert eventually(lambda: bench.questions == ["POST /tools/bulk-content"] * 4)


def test_orthanc_s_refusal_makes_no_suspects(bench: Bench, log: FakeLog) -> None:
    bench.keep(1)
    bench.api.broken = True
    bench.reconciliation.start()
    assert eventually(lambda: len(log.of("warning")) >= 2)

    assert bench.suspects == []
    gone = bench.keep(2, is_stored=False)
    bench.api.broken = False
    assert eventually(lambda: gone.orthanc_id in bench.suspects)


@pytest.mark.parametrize("has_files", [True, False], ids=["files in a folder", "files elsewhere"])
def test_what_another_orthanc_deletes_is_found_soon(bench: Bench, *, has_files: bool) -> None:
    """Orthanc sends no event for it, and its log of changes has no deletions."""
    bench.api.has_database_plugin = True
    ones = [bench.keep(number) for number in range(3)]
    bench.files.update(one.attachment_uuid for one in ones if has_files)
    bench.begin(round_seconds=60)
    bench.reconciliation.start()
    assert eventually(lambda: "POST /tools/bulk-content" in bench.api.calls)
    assert not eventually(lambda: bool(bench.suspects), seconds=0.1)
    bench.api.delete(ones[1].orthanc_id)
    bench.files.discard(ones[1].attachment_uuid)

    assert eventually(lambda: bench.suspects == [ones[1].orthanc_id])


def test_while_nothing_changes_orthanc_is_asked_for_the_size_alone(bench: Bench) -> None:
    bench.api.has_database_plugin = True
    bench.keep(1)
    bench.begin(round_seconds=60)
    bench.reconciliation.start()

    assert eventually(lambda: bench.api.calls.count("GET /statistics") > 3)
    assert bench.questions == ["POST /tools/bulk-content"]


def test_what_arrives_costs_no_question_about_what_has_its_file(bench: Bench) -> None:
    bench.api.has_database_plugin = True
    bench.files.add(bench.keep(1).attachment_uuid)
    bench.begin(round_seconds=60)
    bench.reconciliation.start()
    assert eventually(lambda: bench.api.calls.count("GET /statistics") > 3)
    bench.api.store(bytes(700), orthanc_id=orthanc_id(8), uuid=uuid(8))
    looks = bench.api.calls.count("GET /statistics")

    assert eventually(lambda: bench.api.calls.count("GET /statistics") > looks + 3)
    assert bench.questions == ["POST /tools/bulk-content"]


def test_what_another_orthanc_replaced_by_a_file_of_the_same_length_is_found_by_the_log(bench: Bench) -> None:
    bench.api.has_database_plugin = True
    one, other = bench.keep(1), bench.keep(2)
    bench.files.update({one.attachment_uuid, other.attachment_uuid})
    bench.begin(round_seconds=60)
    bench.reconciliation.start()
    assert eventually(lambda: bench.api.calls.count("GET /statistics") > 3)
    bench.api.store(bytes(1000), orthanc_id=one.orthanc_id, uuid=uuid(9))
    bench.files.discard(one.attachment_uuid)
    assert not eventually(lambda: bool(bench.suspects), seconds=0.1)
    bench.reconciliation.logged([other.orthanc_id, one.orthanc_id, orthanc_id(5)])

    assert eventually(lambda: bench.suspects == [one.orthanc_id])


def test_an_index_of_its_own_is_not_looked_at_between_the_rounds(bench: Bench) -> None:
    one = bench.keep(1)
    bench.begin(round_seconds=60)
    bench.reconciliation.start()
    assert eventually(lambda: "POST /tools/bulk-content" in bench.api.calls)
    bench.api.delete(one.orthanc_id)

    assert not eventually(lambda: bool(bench.suspects), seconds=0.2)
    assert "GET /statistics" not in bench.api.calls


def test_metadata_of_what_is_gone_is_found_and_only_that_without_a_file_is_asked_about(bench: Bench) -> None:
    for number in (1, 2, 3):
        bench.store.metadata.keep([InstanceMetadata.pack(orthanc_id(number), uuid(number), b"{}")])
    bench.api.store(b"", orthanc_id=orthanc_id(1), uuid=uuid(1))
    bench.files |= {uuid(2)}  # its answer is not waited for
    bench.begin(round_seconds=3600.0)
    bench.reconciliation.start()

    assert eventually(lambda: bench.suspects == [orthanc_id(3)])
    bench.reconciliation.stop()
    assert len(bench.questions) == 1
