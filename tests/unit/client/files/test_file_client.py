"""The client of a folder: what it sees of files that come, change and go, who may use it at once, what it stores."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from framecache.client import (
    ConflictError,
    DICOMfileClient,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    Progress,
    UnreachableError,
)
from pydicom import Dataset

from tests.unit.client.instances import data_set_of, stored, uids, values, write
from tests.unit.client.looking import look
from tests.unit.dicom_files import DEFLATED, EXPLICIT, IMPLICIT, encoded

AS_STORED = (("application/octet-stream", "*"),)
SOP, PATIENT_NAME = "00080018", "00100010"


class Folder:
    """A folder with clients over it, which share an index unless they are in memory."""

    def __init__(self, path: Path) -> None:
        self.path, self._indexes = path / "files", path / "indexes"
        self.path.mkdir()
        self._clients: list[DICOMfileClient] = []

    def client(self, **options: Any) -> DICOMfileClient:
        client = DICOMfileClient(self.path, **{"db_dir": self._indexes, **options})
        self._clients.append(client)
        return client

    def write(self, **files: bytes) -> None:
        write(self.path, {name.replace("__", "/"): content for name, content in files.items()})

    def close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.close()


def found(client: DICOMfileClient) -> set[str]:
    return set(values(client.search_for_instances(), SOP))


@pytest.fixture(params=[False, True], ids=["on disk", "in memory"])
def in_memory(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_a_folder_of_any_shape_is_indexed_and_what_is_no_instance_is_counted(folder: Folder, in_memory: bool) -> None:  # noqa: FBT001
    folder.write(a=stored(1, 1, 1), deep__in__b=stored(1, 1, 2, IMPLICIT), x__y=stored(2, 1, 1, DEFLATED))
    folder.write(README=b"no DICOM file", DICOMDIR=stored(3, 1, 1), empty=b"", again=stored(1, 1, 1))
    seen: list[Progress] = []
    client = folder.client(in_memory=in_memory, progress=seen.append)
    assert found(client) == {uids(1, 1, 1)[2], uids(1, 1, 2)[2], uids(2, 1, 1)[2]}
    assert client.counts() == {"instance": 3, "duplicate": 1, "other": 3}
    assert seen[-1] == Progress(seen=7, read=7, instances=3, duplicates=1, others=3)


def test_an_index_that_another_client_makes_anew_is_never_taken_for_an_empty_one(folder: Folder) -> None:
    folder.write(a=stored(1, 1, 1))
    client = folder.client()
    assert found(client) == {uids(1, 1, 1)[2]}
    folder.write(b=stored(1, 1, 2))
    folder.client(recreate_db=True)
    with ThreadPoolExecutor(1) as pool:
        both = {uids(1, 1, 1)[2], uids(1, 1, 2)[2]}
        assert [found(client), pool.submit(found, client).result()] == [both, both]


def test_a_second_scan_reads_nothing(folder: Folder, in_memory: bool) -> None:  # noqa: FBT001
    folder.write(a=stored(1, 1, 1), b=b"no DICOM file", c=stored(1, 1, 1))
    client = folder.client(in_memory=in_memory)
    assert client.update() == Progress(seen=3, read=0, instances=1, duplicates=1, others=1)


def test_files_that_come_change_and_go_are_seen(folder: Folder, in_memory: bool) -> None:  # noqa: FBT001
    folder.write(a=stored(1, 1, 1), sub__b=stored(1, 2, 1), c=stored(2, 1, 1))
    client = folder.client(in_memory=in_memory)
    folder.write(a=stored(1, 1, 1, PatientName="Another^Name"), d=stored(3, 1, 1))
    (folder.path / "sub/b").unlink()
    (folder.path / "c").rename(folder.path / "renamed")
    progress = client.update()
    assert (progress.instances, progress.removed) == (3, 2)
    assert found(client) == {uids(1, 1, 1)[2], uids(2, 1, 1)[2], uids(3, 1, 1)[2]}
    [study] = client.search_for_studies(search_filters={"PatientName": "another*"})
    assert study["00201206"]["Value"] == [1]
    assert study["00201208"]["Value"] == [1]


def test_a_directory_that_is_gone_is_forgotten(folder: Folder) -> None:
    folder.write(a__b__one=stored(1, 1, 1), a__two=stored(1, 1, 2))
    client = folder.client()
    (folder.path / "a/b/one").unlink()
    (folder.path / "a/b").rmdir()
    assert client.update().removed == 1
    assert found(client) == {uids(1, 1, 2)[2]}


def test_when_a_file_goes_its_duplicate_is_found(folder: Folder) -> None:
    folder.write(a=stored(1, 1, 1), b=stored(1, 1, 1))
    client = folder.client()
    (folder.path / "a").unlink()
    client.update()
    assert found(client) == {uids(1, 1, 1)[2]}
    assert client.retrieve_instance(*uids(1, 1, 1)).PatientID == "P1"
    assert client.counts() == {"instance": 1}


def test_a_file_that_was_replaced_is_read_as_it_is_now(folder: Folder) -> None:
    folder.write(a=stored(1, 1, 1))
    client = folder.client()
    before = client.retrieve_instance_frames(*uids(1, 1, 1), [1])
    other = data_set_of(1, 1, 1, PatientComments="as long as it takes to shift the pixels")
    other.PixelData = bytes(72)
    write(folder.path, {"new": _encoded(other)})
    (folder.path / "new").replace(folder.path / "a")
    assert before != client.retrieve_instance_frames(*uids(1, 1, 1), [1]) == [bytes(24)]


def test_an_instance_that_was_removed_is_not_found(folder: Folder) -> None:
    folder.write(a=stored(1, 1, 1), b=stored(1, 1, 2))
    client = folder.client()
    (folder.path / "a").unlink()
    with pytest.raises(NotFoundError):
        client.retrieve_instance_frames(*uids(1, 1, 1), [1])
    assert [str(one.SOPInstanceUID) for one in client.iter_study(uids(1, 1, 1)[0])] == [uids(1, 1, 2)[2]]


def test_links_are_followed_but_not_in_circles(folder: Folder, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", {"a": stored(1, 1, 1)})
    (folder.path / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(folder.path)
    (folder.path / "dangling").symlink_to("nowhere")
    assert found(folder.client()) == {uids(1, 1, 1)[2]}


def test_names_of_files_may_be_any_bytes(folder: Folder) -> None:
    path = os.path.join(os.fsencode(folder.path), b"caf\xe9")
    os.mkdir(path)
    with open(path + b"/\xff", "wb") as stream:
        stream.write(stored(1, 1, 1))
    client = folder.client()
    assert client.update().read == 0
    assert client.retrieve_instance(*uids(1, 1, 1)).PatientID == "P1"
    client.delete_study(uids(1, 1, 1)[0])
    assert not list(folder.path.iterdir())


def test_several_clients_share_an_index_and_see_what_one_of_them_updates(folder: Folder) -> None:
    folder.write(a=stored(1, 1, 1))
    first, second = folder.client(), folder.client(update_db=False)
    assert found(second) == {uids(1, 1, 1)[2]}
    folder.write(b=stored(1, 1, 2))
    first.update()
    assert len(found(second)) == 2


def test_the_index_is_private_and_among_the_users_caches(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    caches = folder.path.parent / "caches"
    monkeypatch.setenv("XDG_CACHE_HOME", str(caches))
    folder.write(a=stored(1, 1, 1))
    folder.client(db_dir=None)
    written = [path for path in caches.rglob("*") if path.is_file()]
    assert written
    assert {oct(path.stat().st_mode & 0o777) for path in written} == {"0o600"}
    assert sorted(path.name for path in folder.path.iterdir()) == ["a"]


def test_where_no_cache_can_be_written_the_index_is_in_memory(folder: Folder) -> None:
    folder.write(a=stored(1, 1, 1))
    (folder.path.parent / "occupied").write_bytes(b"")
    client = folder.client(db_dir=folder.path.parent / "occupied" / "below")
    assert found(client) == {uids(1, 1, 1)[2]}


def test_a_damaged_index_is_made_anew(folder: Folder) -> None:
    folder.write(a=stored(1, 1, 1))
    client = folder.client()
    client.close()
    for path in (folder.path.parent / "indexes").iterdir():
        path.write_bytes(b"what a crash may leave behind" * 400)
    assert found(folder.client()) == {uids(1, 1, 1)[2]}


def test_an_index_of_another_version_is_made_anew(folder: Folder) -> None:
    folder.write(a=stored(1, 1, 1))
    folder.client().close()
    [path] = (folder.path.parent / "indexes").glob("*.sqlite")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert found(folder.client()) == {uids(1, 1, 1)[2]}


def test_threads_share_a_client(folder: Folder, in_memory: bool) -> None:  # noqa: FBT001
    folder.write(**{f"f{number}": stored(1, 1, number) for number in range(1, 9)})
    client = folder.client(in_memory=in_memory)

    def look(number: int) -> tuple[int, bytes, int]:
        [frame] = client.retrieve_instance_frames(*uids(1, 1, number), [2])
        rendered = client.retrieve_instance_rendered(*uids(1, 1, number))
        return len(client.search_for_instances()), frame[:1], len(rendered)

    with ThreadPoolExecutor(8) as pool:
        looked = list(pool.map(look, list(range(1, 9)) * 5))
    assert {(count, frame) for count, frame, _ in looked} == {(8, bytes([16 + number])) for number in range(1, 9)}


def test_readers_go_on_while_a_client_updates(folder: Folder) -> None:
    folder.write(**{f"f{number}": stored(1, 1, number) for number in range(1, 200)})
    reader, writer = folder.client(), folder.client()
    thread = threading.Thread(target=writer.update)
    folder.write(**{f"g{number}": stored(1, 2, number) for number in range(1, 200)})
    thread.start()
    counts = []
    while thread.is_alive():
        counts.append(len(reader.search_for_instances()))
    thread.join()
    assert len(reader.search_for_instances()) == 398
    assert all(count >= 199 for count in counts)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_client_is_used_in_other_processes(folder: Folder, in_memory: bool, method: str) -> None:  # noqa: FBT001
    folder.write(a=stored(1, 1, 1), b=stored(1, 1, 2))
    client = folder.client(in_memory=in_memory)
    asked = (client, *uids(1, 1, 1))
    expected = look(*asked)
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.starmap(look, [asked] * 4) == [expected] * 4
    assert look(*asked) == expected


def test_a_client_in_memory_is_inherited_by_a_fork(folder: Folder) -> None:
    folder.write(a=stored(1, 1, 1))
    client = folder.client(in_memory=True)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, str(len(client.search_for_instances())).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 10) == b"1"
    os.close(reading)
    os.close(writing)


def test_a_copy_and_its_original_both_keep_their_index(folder: Folder, in_memory: bool) -> None:  # noqa: FBT001
    folder.write(a=stored(1, 1, 1))
    client = folder.client(in_memory=in_memory)
    copy = pickle.loads(pickle.dumps(client))  # noqa: S301 - our own
    assert look(copy, *uids(1, 1, 1)) == look(client, *uids(1, 1, 1))
    copy.close()
    assert len(client.search_for_instances()) == 1


def test_with_closes(folder: Folder) -> None:
    folder.write(a=stored(1, 1, 1))
    with folder.client() as client:
        assert len(client.search_for_studies()) == 1
    assert not list((folder.path.parent / "indexes").glob("*-wal"))


def test_what_is_stored_is_found_and_lies_in_the_folder_whole(folder: Folder, in_memory: bool) -> None:  # noqa: FBT001
    client = folder.client(in_memory=in_memory)
    response = client.store_instances([data_set_of(1, 1, 1), data_set_of(1, 1, 2)])
    assert [item.ReferencedSOPInstanceUID for item in response.ReferencedSOPSequence] == [
        uids(1, 1, 1)[2],
        uids(1, 1, 2)[2],
    ]
    assert "FailedSOPSequence" not in response
    assert sorted(path.name for path in folder.path.rglob("*") if path.is_file()) == [
        f"{uids(1, 1, 1)[2]}.dcm",
        f"{uids(1, 1, 2)[2]}.dcm",
    ]
    assert client.retrieve_instance(*uids(1, 1, 2)).PatientID == "P1"
    assert client.update().read == 0


def test_storing_an_instance_again_replaces_it_where_it_is(folder: Folder) -> None:
    folder.write(anywhere__a=stored(1, 1, 1))
    client = folder.client()
    client.store_instances([data_set_of(1, 1, 1, PatientName="New^Name")])
    assert [path.name for path in folder.path.rglob("*") if path.is_file()] == ["a"]
    assert values(client.search_for_studies(), PATIENT_NAME) == [{"Alphabetic": "New^Name"}]


def test_a_file_that_is_replaced_keeps_its_permissions_and_a_new_one_is_private(folder: Folder) -> None:
    folder.write(a=stored(1, 1, 1))
    (folder.path / "a").chmod(0o640)
    client = folder.client()
    client.store_instances([data_set_of(1, 1, 1, PatientName="New^Name"), data_set_of(1, 1, 2)])
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in folder.path.rglob("*") if path.is_file()}
    assert modes == {"a": "0o640", f"{uids(1, 1, 2)[2]}.dcm": "0o600"}


def test_no_other_group_may_read_a_file_that_is_replaced(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    folder.write(a=stored(1, 1, 1))
    (folder.path / "a").chmod(0o664)
    monkeypatch.setattr(os, "fchown", refuse)  # the user is not in the file's group
    folder.client().store_instances([data_set_of(1, 1, 1)])
    assert oct((folder.path / "a").stat().st_mode & 0o777) == "0o604"


def test_what_cannot_be_stored_is_reported_and_the_rest_is_stored(folder: Folder) -> None:
    client = folder.client()
    without_uid = data_set_of(1, 1, 2)
    del without_uid.SeriesInstanceUID
    evil = data_set_of(1, 1, 3)
    evil.StudyInstanceUID = "../../up"
    response = client.store_instances([data_set_of(1, 1, 1), without_uid, evil])
    assert len(response.ReferencedSOPSequence) == 1
    assert len(response.FailedSOPSequence) == 2
    assert not (folder.path.parent / "up").exists()
    with pytest.raises(ConflictError):
        client.store_instances([data_set_of(2, 1, 1)], study_instance_uid="1.2.3")
    with pytest.raises(InvalidRequestError):
        client.store_instances([Dataset()][:0])


def test_a_write_that_fails_leaves_nothing_behind(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    client = folder.client()

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("framecache.client.files.storing.os.fsync", fail)
    with pytest.raises(ConflictError):
        client.store_instances([data_set_of(1, 1, 1)])
    assert not [path for path in folder.path.rglob("*") if path.is_file()]
    assert not client.search_for_instances()


def test_deleting_removes_files_rows_and_empty_directories(folder: Folder) -> None:
    client = folder.client()
    client.store_instances([data_set_of(1, 1, 1), data_set_of(1, 1, 2), data_set_of(1, 2, 1), data_set_of(2, 1, 1)])
    folder.write(other=b"not ours")
    client.delete_instance(*uids(1, 1, 1))
    assert len(client.search_for_instances()) == 3
    client.delete_series(*uids(1, 1, 2)[:2])
    client.delete_study(uids(2, 1, 1)[0])
    assert found(client) == {uids(1, 2, 1)[2]}
    client.delete_study(uids(1, 2, 1)[0])
    assert [path.name for path in folder.path.iterdir()] == ["other"]
    with pytest.raises(NotFoundError):
        client.delete_study(uids(1, 2, 1)[0])


def test_a_file_in_which_another_instance_was_written_is_not_deleted(folder: Folder) -> None:
    folder.write(a=stored(1, 1, 1), copy=stored(1, 1, 1))
    client = folder.client()
    folder.write(a=stored(2, 1, 1, PatientName="Another^Name"))
    client.delete_instance(*uids(1, 1, 1))
    assert found(client) == {uids(2, 1, 1)[2]}
    assert [one.name for one in folder.path.iterdir()] == ["a"]


def test_a_folder_that_is_read_only_is_neither_stored_to_nor_deleted_from(folder: Folder) -> None:
    folder.write(a=stored(1, 1, 1))
    client = folder.client(readonly=True)
    with pytest.raises(ForbiddenError):
        client.store_instances([data_set_of(1, 1, 2)])
    with pytest.raises(ForbiddenError):
        client.delete_study(uids(1, 1, 1)[0])
    assert len(client.search_for_instances()) == 1


def test_a_folder_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        DICOMfileClient(tmp_path / "missing")
    assert isinstance(caught.value, requests.HTTPError)
    assert caught.value.response.status_code == 404


def test_a_file_url_is_the_folder(folder: Folder) -> None:
    spaced = folder.path / "with spaces"
    write(spaced, {"a": stored(1, 1, 1)})
    client = DICOMfileClient(spaced.as_uri(), in_memory=True)
    assert client.base_url == spaced.as_uri()
    assert (client.scheme, client.protocol) == ("file", None)
    assert len(client.search_for_instances()) == 1


def _encoded(data_set: Dataset) -> bytes:

    data_set["PixelData"].VR = "OB"
    return encoded(data_set, EXPLICIT)


def test_deleting_removes_all_files_of_an_instance(folder: Folder) -> None:
    folder.write(a=stored(1, 1, 1), b__copy=stored(1, 1, 1), b__copy2=stored(1, 1, 1), c=stored(1, 1, 2))
    client = folder.client()
    client.delete_instance(*uids(1, 1, 1))
    client.update()
    assert found(client) == {uids(1, 1, 2)[2]}
    assert [path.name for path in folder.path.rglob("*") if path.is_file()] == ["c"]


@pytest.mark.parametrize("missing", [None, ""])
def test_no_uid_is_not_every_uid(folder: Folder, missing: Any) -> None:
    folder.write(a=stored(1, 1, 1), b=stored(1, 1, 2))
    client, (study, series, _) = folder.client(), uids(1, 1, 1)
    calls = (
        lambda: client.delete_study(missing),
        lambda: client.delete_series(study, missing),
        lambda: client.delete_instance(study, series, missing),
        lambda: client.retrieve_study(missing),
        lambda: client.retrieve_study_metadata(missing),
        lambda: client.retrieve_series_metadata(study, missing),
        lambda: client.retrieve_instance_metadata(study, series, missing),
        lambda: client.search_for_series(""),
    )
    for call in calls:
        with pytest.raises(InvalidRequestError, match="UID"):
            call()
    assert len(found(client)) == 2


@pytest.mark.parametrize("url", ["", "file:", "file:images", "file://elsewhere/images"])
def test_what_names_no_folder_of_this_machine_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError):
        DICOMfileClient(url, in_memory=True)


def test_a_user_without_a_home_has_the_index_in_memory(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    folder.write(a=stored(1, 1, 1))
    assert found(folder.client(db_dir=None)) == {uids(1, 1, 1)[2]}


def test_an_index_that_cannot_be_opened_is_told_of(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "indexes/.framecache-index.sqlite").mkdir(parents=True)
    with pytest.raises(UnreachableError, match="index"):
        folder.client()


def test_a_file_that_is_gone_does_not_end_a_search_for_more_fields(folder: Folder) -> None:
    folder.write(a=stored(1, 1, 1), b=stored(2, 1, 1))
    client = folder.client()
    (folder.path / "a").unlink()
    assert uids(2, 1, 1)[0] in values(client.search_for_studies(fields=["Rows", "BitsStored"]), "0020000D")
