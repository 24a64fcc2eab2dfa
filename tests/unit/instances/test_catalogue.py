"""What is known of instances: checked triples, and memory that is believed only while the stored file is there."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from framecache.dicom.identity import InstancePath
from framecache.errors import InstanceGone, NotFound, SharedUids, SourceError
from framecache.instances.catalogue import Catalogue
from framecache.orthanc.instance import Instance
from framecache.policy.policy import Treatment
from framecache.store.block import BlockGone, BrokenBlock
from framecache.telemetry.metrics import MissCause
from framecache.threads import Desk

from tests.unit.dicom_files import EXPLICIT, INSTANCE, SERIES, STUDY, native
from tests.unit.fakes import PATH, FakeApi, FakeClock, WatchedStore, orthanc_id, uuid

FILE = native(bytes(72))


@pytest.fixture
def api(tmp_path: Path) -> FakeApi:
    return FakeApi(tmp_path / "db")


@pytest.fixture
def store() -> WatchedStore:
    return WatchedStore()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def desk() -> Iterator[Desk]:
    opened = Desk("test-desk", 1)
    yield opened
    opened.close()


@pytest.fixture
def catalogue(api: FakeApi, store: WatchedStore, clock: FakeClock, desk: Desk, tmp_path: Path) -> Catalogue:
    return Catalogue(api, store, desk, clock, tmp_path / "db", revalidate_seconds=5)


def test_no_lookup_waits_behind_what_an_administrator_asks_for(
    api: FakeApi, store: WatchedStore, clock: FakeClock, desk: Desk, tmp_path: Path
) -> None:
    api.store(FILE)
    back_desk, ended = Desk("test-back-desk", 1), threading.Event()
    catalogue = Catalogue(api, store, desk, clock, tmp_path / "db", 5, back_desk=back_desk)

    with ThreadPoolExecutor(1) as pool:
        purge = pool.submit(catalogue.on_desk, lambda: ended.wait(60))
        assert catalogue.lookup(PATH).instance.path == PATH
        ended.set()
        assert purge.result()
    back_desk.close()


def test_orthanc_is_asked_once_and_then_memory_answers(catalogue: Catalogue, api: FakeApi) -> None:
    api.store(FILE)
    entry = catalogue.lookup(PATH)

    assert entry.instance.path == PATH
    assert entry.stored_path == str(api.path_of(api.instances[entry.instance.orthanc_id].answer))
    assert catalogue.lookup(PATH) is entry
    assert api.calls == ["POST /tools/find"]


@pytest.mark.parametrize(
    "path",
    [
        InstancePath("9.9", SERIES, INSTANCE),
        InstancePath(STUDY, "9.9", INSTANCE),
        InstancePath(STUDY, SERIES, "9.9"),
        InstancePath(SERIES, STUDY, INSTANCE),
    ],
)
def test_uids_that_do_not_belong_together_are_not_found(catalogue: Catalogue, api: FakeApi, path: InstancePath) -> None:
    """Else a token for one study would open the frames of another."""
    api.store(FILE)
    catalogue.lookup(PATH)

    with pytest.raises(NotFound):
        catalogue.lookup(path)


def test_an_answer_about_other_uids_is_not_believed(catalogue: Catalogue, api: FakeApi) -> None:
    """Orthanc compares identifiers without case and accents, and knows wildcards."""
    api.store(FILE)
    api.finds_all = True

    with pytest.raises(NotFound):
        catalogue.lookup(InstancePath("9.9", SERIES, INSTANCE))


def test_uids_that_two_patients_share_are_left_to_the_stock_plugin(catalogue: Catalogue, api: FakeApi) -> None:
    for number in (1, 2):
        api.store(FILE, orthanc_id=orthanc_id(number), uuid=uuid(number))

    with pytest.raises(SharedUids, match="several"):
        catalogue.lookup(PATH)
    with pytest.raises(SharedUids, match="several"):
        catalogue.describe(orthanc_id(2))


def test_what_is_known_of_uids_is_forgotten_when_another_patient_comes_with_them(
    catalogue: Catalogue, api: FakeApi, store: WatchedStore
) -> None:
    """Else frames of the first would be sent, then those of the second, in the same series."""
    api.store(FILE, orthanc_id=orthanc_id(1), uuid=uuid(1))
    store.records.keep(catalogue.lookup(PATH).instance.to_json())
    api.store(FILE, orthanc_id=orthanc_id(2), uuid=uuid(2))

    with pytest.raises(SharedUids):
        catalogue.describe(orthanc_id(2))  # as the filler does when it has arrived
    with pytest.raises(SharedUids):
        catalogue.lookup(PATH)
    assert store.versions.of([orthanc_id(1), orthanc_id(2)]) == {orthanc_id(1): set(), orthanc_id(2): set()}

    api.delete(orthanc_id(1))
    assert catalogue.lookup(PATH).instance.attachment_uuid == uuid(2)


def test_a_deleted_instance_is_not_found_though_no_event_came(catalogue: Catalogue, api: FakeApi) -> None:
    name = api.store(FILE)
    catalogue.lookup(PATH)
    api.delete(name)

    with pytest.raises(NotFound):
        catalogue.lookup(PATH)


def test_a_replaced_instance_is_the_new_one_though_no_event_came(catalogue: Catalogue, api: FakeApi) -> None:
    api.store(FILE, uuid=uuid(1))
    old = catalogue.lookup(PATH)
    api.store(FILE, uuid=uuid(2))

    new = catalogue.lookup(PATH)

    assert (old.instance.attachment_uuid, new.instance.attachment_uuid) == (uuid(1), uuid(2))
    assert not catalogue.is_current(old)


@pytest.mark.parametrize("trusts_files", [True, False])
@pytest.mark.parametrize("asked", [(1,), (1, 2), (1, 2, 3), (3,), ()])
def test_files_are_there_if_each_of_them_is_and_files_prove_anything(
    catalogue: Catalogue, api: FakeApi, *, trusts_files: bool, asked: tuple[int, ...]
) -> None:
    catalogue.trusts_files = trusts_files
    for number in (1, 2):
        api.store(FILE, uuid=uuid(number), orthanc_id=orthanc_id(number))

    assert catalogue.has_files(map(uuid, asked)) is (trusts_files and 3 not in asked)


def test_a_compressed_file_tells_what_is_true_though_no_frame_can_be_read_from_it(
    catalogue: Catalogue, api: FakeApi, clock: FakeClock
) -> None:
    name = api.store(FILE, file_size=len(FILE) + 1)
    entry = catalogue.lookup(PATH)
    assert entry.stored_path is None
    clock.now += 1e6
    assert catalogue.is_current(entry)
    assert catalogue.still_holds(entry)
    api.delete(name)

    assert not catalogue.is_current(entry)
    assert not catalogue.still_holds(entry)


@pytest.mark.parametrize("folder", [True, False])
def test_what_a_storage_plugin_deletes_late_is_gone_when_orthanc_says_so(
    store: WatchedStore, clock: FakeClock, desk: Desk, tmp_path: Path, *, folder: bool
) -> None:
    """Neither the file that is still there proves anything, nor a record of an earlier run."""
    api = FakeApi(tmp_path / "db" if folder else None)
    name = api.store(FILE)
    catalogue = Catalogue(api, store, desk, clock, tmp_path / "db", revalidate_seconds=0)
    catalogue.trusts_files = False
    entry = catalogue.lookup(PATH)
    store.records.keep(entry.instance.to_json())
    assert catalogue.still_holds(entry)
    del api.instances[name]

    assert not catalogue.still_holds(entry)
    with pytest.raises(NotFound):
        catalogue.lookup(PATH)


def test_a_stored_file_of_another_size_is_not_current(catalogue: Catalogue, api: FakeApi) -> None:
    api.store(FILE)
    entry = catalogue.lookup(PATH)
    assert entry.stored_path
    Path(entry.stored_path).write_bytes(FILE[:-1])

    assert not catalogue.is_current(entry)


@pytest.mark.parametrize("why", ["no folder", "a storage plugin"])
def test_where_no_file_tells_what_is_known_is_believed_for_some_seconds(
    why: str, store: WatchedStore, clock: FakeClock, desk: Desk, tmp_path: Path
) -> None:
    api = FakeApi(None if why == "no folder" else tmp_path / "db")
    name = api.store(FILE)
    catalogue = Catalogue(api, store, desk, clock, tmp_path / "db", revalidate_seconds=5)
    catalogue.trusts_files = why == "no folder"
    entry = catalogue.lookup(PATH)
    assert (entry.stored_path is None) == (why == "no folder")
    clock.now += 4.9
    catalogue.lookup(PATH)
    assert api.calls.count("POST /tools/find") == 1
    clock.now += 0.2
    assert catalogue.lookup(PATH) is entry
    assert api.calls.count("POST /tools/find") == 2
    api.delete(name)
    clock.now += 5.1

    with pytest.raises(NotFound):
        catalogue.lookup(PATH)


class OverwrittenApi(FakeApi):
    """Orthanc, in which somebody overwrites the instance right after it was asked for, so many times."""

    overwrites, version = 1, 1

    def post(self, uri: str, body: bytes) -> bytes:
        answer = super().post(uri, body)
        if self.version <= self.overwrites:
            self.version += 1
            self.store(FILE, uuid=uuid(self.version))
        return answer


@pytest.mark.parametrize("overwrites", [1, 2, 3])
def test_what_was_replaced_since_orthanc_told_of_it_is_asked_for_again_and_not_taken_for_kept_elsewhere(
    store: WatchedStore, clock: FakeClock, desk: Desk, tmp_path: Path, overwrites: int
) -> None:
    """It would be believed for some seconds, and a client that has the old frames be told that they are still true."""
    api = OverwrittenApi(tmp_path / "db")
    api.overwrites = overwrites
    api.store(FILE, uuid=uuid(1))
    catalogue = Catalogue(api, store, desk, clock, tmp_path / "db", revalidate_seconds=5)

    if overwrites == 3:
        with pytest.raises(InstanceGone):
            catalogue.lookup(PATH)
    assert catalogue.lookup(PATH).instance.attachment_uuid == uuid(overwrites + 1)


@pytest.mark.parametrize(("length", "is_read"), [(0, False), (len(FILE) - 10, True), (len(FILE) + 10, False)])
def test_what_is_left_of_a_file_that_lost_its_end_is_read_and_soon_looked_at_again(
    catalogue: Catalogue, api: FakeApi, clock: FakeClock, length: int, *, is_read: bool
) -> None:
    """Orthanc 1.13 gives nothing of it. One that is longer is not as Orthanc's own storage area writes it."""
    name = api.store(FILE)
    path = api.path_of(api.instances[name].answer)
    os.truncate(path, length)

    entry = catalogue.lookup(PATH)

    assert (entry.stored_path, entry.proof_path) == (str(path) if is_read else None, None)
    api.delete(name)
    clock.now += 5.1
    with pytest.raises(NotFound):
        catalogue.lookup(PATH)


def test_what_an_earlier_run_knew_is_believed_while_the_file_is_there(
    catalogue: Catalogue, api: FakeApi, store: WatchedStore
) -> None:
    name = api.store(FILE)
    instance = catalogue.lookup(PATH).instance
    store.records.keep(instance.to_json())
    row = store.blocks.keep(instance, EXPLICIT, {1: memoryview(b"frame")})
    catalogue.forget(name)
    api.calls.clear()

    entry = catalogue.lookup(PATH)

    assert api.calls == []
    assert entry.blocks[EXPLICIT, 1] == row


def test_a_record_of_another_version_of_the_plugin_makes_it_ask_orthanc(
    catalogue: Catalogue, api: FakeApi, store: WatchedStore
) -> None:
    """The first one wrote no modality, which rules may decide by; a newer one may write more."""
    name = api.store(FILE)
    record = json.loads(catalogue.lookup(PATH).instance.to_json())
    for other in ({key: value for key, value in record.items() if key != "modality"}, {**record, "added_later": 1}):
        store.records.keep(json.dumps(other).encode())
        catalogue.forget(name)
        api.calls.clear()

        assert catalogue.lookup(PATH).instance.orthanc_id == name
        assert "POST /tools/find" in api.calls


def test_a_record_of_a_file_that_is_gone_is_not_believed(
    catalogue: Catalogue, api: FakeApi, store: WatchedStore
) -> None:
    api.store(FILE, uuid=uuid(1))
    store.records.keep(catalogue.lookup(PATH).instance.to_json())
    api.store(FILE, uuid=uuid(2))
    catalogue.forget(store.known[PATH].orthanc_id)

    assert catalogue.lookup(PATH).instance.attachment_uuid == uuid(2)


def test_describing_finds_the_same_entry_as_looking_up(catalogue: Catalogue, api: FakeApi) -> None:
    name = api.store(FILE)

    assert catalogue.describe(name) is catalogue.lookup(PATH)
    with pytest.raises(NotFound):
        catalogue.describe(orthanc_id(99))


@pytest.mark.parametrize("place", ["file", "missing"])
def test_a_syntax_that_orthanc_does_not_know_is_read_from_the_file(
    catalogue: Catalogue, api: FakeApi, place: str
) -> None:
    name = api.store(FILE, syntax="")
    if place == "missing":
        api.path_of(api.instances[name].answer).unlink()

    assert catalogue.lookup(PATH).instance.transfer_syntax_uid == (EXPLICIT if place == "file" else "")
    assert catalogue.describe(name).instance == catalogue.lookup(PATH).instance


def test_errors_of_orthanc_come_through_and_are_not_remembered(catalogue: Catalogue, api: FakeApi) -> None:
    api.store(FILE)
    api.broken = True
    with pytest.raises(SourceError):
        catalogue.lookup(PATH)
    api.broken = False

    assert catalogue.lookup(PATH).instance.path == PATH


@pytest.mark.parametrize(("why", "cause"), [(BlockGone("gone"), "evicted"), (BrokenBlock("cut short"), "damaged")])
def test_blocks_are_added_and_dropped_by_their_frames(
    catalogue: Catalogue, api: FakeApi, store: WatchedStore, why: BrokenBlock, cause: MissCause
) -> None:
    api.store(FILE)
    entry = catalogue.lookup(PATH)
    row = store.blocks.keep(entry.instance, EXPLICIT, {n: memoryview(b"frame %d" % n) for n in (2, 3)})
    entry.add(row)

    assert entry.blocks[EXPLICIT, 3].frame_length(3) == 7
    with pytest.raises(BrokenBlock, match="other frames"):
        entry.blocks[EXPLICIT, 3].frame_length(4)
    assert set(entry.blocks) == {(EXPLICIT, 2), (EXPLICIT, 3)}
    assert entry.drop(row, why) == cause
    assert not entry.blocks
    assert entry.lost == {(EXPLICIT, 2): cause, (EXPLICIT, 3): cause}
    assert (entry.take_broken(), entry.take_broken()) == ({row: cause}, {})
    entry.add(row)
    assert not entry.lost


def test_accesses_are_noted_once(catalogue: Catalogue, api: FakeApi, clock: FakeClock) -> None:
    api.store(FILE)
    catalogue.lookup(PATH)
    clock.now += 3
    catalogue.lookup(PATH)

    assert catalogue.take_touched() == {PATH: 1003.0}
    assert catalogue.take_touched() == {}


def test_memory_is_bounded_and_the_oldest_entry_goes(
    api: FakeApi, store: WatchedStore, desk: Desk, clock: FakeClock, tmp_path: Path
) -> None:
    catalogue = Catalogue(api, store, desk, clock, tmp_path / "db", 5, most_entries=3)
    paths = [InstancePath(STUDY, SERIES, f"{INSTANCE}.{number}") for number in range(5)]
    for number, path in enumerate(paths):
        api.store(FILE, orthanc_id=orthanc_id(number), uuid=uuid(number), path=path)
        catalogue.lookup(path)

    assert catalogue.number_of_entries == 3
    api.calls.clear()
    for path in paths[2:]:
        catalogue.lookup(path)
    assert api.calls == []
    for path in paths[:2]:
        api.calls.clear()
        catalogue.lookup(path)
        assert api.calls
    assert catalogue.number_of_entries == 3


def test_the_rules_are_asked_whenever_orthanc_describes_an_instance_and_not_at_a_hit(
    api: FakeApi, store: WatchedStore, clock: FakeClock, desk: Desk, tmp_path: Path
) -> None:
    """They may look at the age of a study, and an entry lives for days."""
    treatments, asked = {"today": Treatment("demand"), "later": Treatment("never")}, list[str]()
    day = "today"

    def decide(one: Instance) -> Treatment:
        asked.append(one.orthanc_id)
        return treatments[day]

    catalogue = Catalogue(api, store, desk, clock, tmp_path / "db", 5, decide=decide)
    name = api.store(FILE)
    entry = catalogue.lookup(PATH)
    assert entry.treatment == treatments["today"]

    day = "later"
    assert catalogue.lookup(PATH).treatment == treatments["today"]
    assert catalogue.describe(name) is entry
    assert entry.treatment == treatments["later"]
    assert asked == [name, name]
