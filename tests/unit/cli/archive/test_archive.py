"""`framecache archive` on folders."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import requests
from framecache.cli.archive.resources import Resources
from framecache.cli.archive.server import ArchiveServer
from framecache.codecs.targets import HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL
from framecache.dicom.identity import InstancePath
from framecache.errors import BadRequest, NotFound
from framecache.tree.layout import frame
from framecache.tree.tree import Tree

from tests.unit.cli.conftest import Command
from tests.unit.dicom_files import INSTANCE, SERIES, STUDY, native

PATH = InstancePath(STUDY, SERIES, INSTANCE)
FRAME = 24  # bytes


def dicom(value: int = 1, **tags: str) -> bytes:
    return native(b"".join(bytes([value + number]) * FRAME for number in range(3)), **tags)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two instances, one below the other's folder, and what is none."""
    folder = tmp_path / "files"
    (folder / "deeper").mkdir(parents=True)
    (folder / "one").write_bytes(dicom())
    (folder / "deeper/two.dcm").write_bytes(dicom(9, SOPInstanceUID=f"{INSTANCE}.2"))
    (folder / "deeper/notes.txt").write_text("no image")
    return folder


@pytest.fixture
def archive(tmp_path: Path, files: Path, command: Command) -> str:
    url = str(tmp_path / "archive")
    assert command("archive", "add", str(files), "--to", url).code == 0
    return url


def shown(archive: str) -> int:
    with Tree.open(f"file://{archive}") as tree:
        return len(tree.instances(STUDY, SERIES)) if tree.studies() else 0


def test_dicom_files_of_folders_are_added_and_others_are_counted(files: Path, tmp_path: Path, command: Command) -> None:
    done = command("archive", "add", str(files), "--to", str(tmp_path / "new"), "--json")
    assert (done.code, done.json) == (
        0,
        {"Added": 2, "Replaced": 0, "Unchanged": 0, "NotDicom": 1, "Skipped": {}},
    )


def test_htj2k_is_added_beside_the_stored_frames_and_served_to_who_asks_for_it(
    files: Path, archive: str, command: Command
) -> None:
    assert command("archive", "add", str(files), "--to", archive, "--htj2k", "--json").json["HTJ2K"] == 2
    again = command("archive", "add", str(files), "--to", archive, "--htj2k", "--json").json
    assert (again["Unchanged"], "HTJ2K" in again) == (2, False)
    frames = f"studies/{STUDY}/series/{SERIES}/instances/{INSTANCE}/frames/2"
    with serving(archive) as url:
        types = {
            uid: requests.get(
                f"{url}/{frames}", headers={"Accept": f"multipart/related; transfer-syntax={uid}"}, timeout=5
            )
            for uid in (HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, "*")
        }
    assert [uid.encode() in answer.content for uid, answer in types.items()] == [True, True, False]
    assert [b"\xff\x4f\xff\x51" in answer.content for answer in types.values()] == [True, True, False]


def test_what_is_there_is_not_added_again(archive: str, files: Path, command: Command) -> None:
    again = command("archive", "add", str(files), "--to", archive, "--json").json
    assert (again["Added"], again["Unchanged"]) == (0, 2)


def test_a_bad_file_stops_nothing_and_is_named_with_its_reason(archive: str, files: Path, command: Command) -> None:
    (files / "bad.dcm").write_bytes(dicom()[:200])
    (files / "more.dcm").write_bytes(dicom(5, SOPInstanceUID=f"{INSTANCE}.3"))
    done = command("archive", "add", str(files), "--to", archive)
    assert done.code == 1
    assert "bad.dcm" in done.notices
    assert "skipped 1 instance: the stored file has no transfer syntax" in done.notices
    assert shown(archive) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["add", "/nowhere/at/all", "--to", "/nonexistent"], 2, "is not there"),
        (["verify", "/nowhere/at/all"], 2, "is not there"),
        (["verify", "nonsense://bucket"], 2, "no URL of an archive"),
        (["gc", "/nonexistent", "--grace", "-1"], 2, "number of hours"),
        (["gc", "/nonexistent", "--grace", "nan"], 2, "number of hours"),
        (["gc", "/nonexistent", "--grace", "inf"], 2, "number of hours"),
        (["verify", ""], 2, "is empty"),
        (["export", "--to", "/nonexistent", "--last", "soon"], 2, "is not a period"),
        (["correct", "/nonexistent", "--study", STUDY, "--reason", "none"], 2, "nothing to correct"),
        (["correct", "/nonexistent", "--study", STUDY, "--reason", "none", "--set", "NoWord=1"], 2, "no keyword"),
        (["correct", "/nonexistent", "--study", STUDY, "--reason", "none", "--set", "=1"], 2, "no keyword"),
        (["correct", "/nonexistent", "--study", STUDY, "--reason", "none", "--set", "SliceThickness=nan"], 2, "nan"),
        (["correct", "/nonexistent", "--study", STUDY, "--reason", "none", "--set", "Rows=7"], 2, "encoded"),
        (["correct", "/nonexistent", "--study", STUDY, "--reason", "none", "--remove", "NumberOfFrames"], 2, "encoded"),
        (["correct", "/nonexistent", "--study", STUDY, "--reason", "none", "--set", "TransferSyntaxUID=1.2"], 2, "enc"),
        (
            ["delete", "/nonexistent", "--study", STUDY, "--reason", "none", "--instance", "1"],
            2,
            "--instance needs --series",
        ),
    ],
)
def test_wrong_arguments_are_refused_with_a_reason(
    arguments: list[str], code: int, said: str, command: Command
) -> None:
    done = command("archive", *arguments)
    assert (done.code, said in done.notices) == (code, True), done.notices


def test_a_damaged_frame_is_found_and_repaired_from_its_file(archive: str, files: Path, command: Command) -> None:
    stored = Path(archive, frame(PATH, 2))
    stored.write_bytes(stored.read_bytes().replace(b"\x02", b"\x07"))
    found = command("archive", "verify", archive)
    assert (found.code, "NOT repaired" in found.output) == (1, True)

    (files / "gone").symlink_to(files / "nowhere")
    empty = files.parent / "empty"
    empty.mkdir()
    assert command("archive", "verify", "--from", str(empty), "--from", str(files), archive).code == 0
    with Tree.open(f"file://{archive}") as tree:
        assert bytes(tree.frame(PATH, 2)) == b"\x02" * FRAME
    assert command("archive", "verify", archive).output == ""


def test_lists_are_made_anew_from_the_log_alone(archive: str, command: Command) -> None:
    for path in Path(archive).rglob("*.gz"):
        path.unlink()
    assert command("archive", "index", archive, "--json").json == {"Studies": 1}
    assert shown(archive) == 2


def test_what_was_deleted_stays_deleted_until_it_is_revived(archive: str, files: Path, command: Command) -> None:
    named = ("--study", STUDY, "--series", SERIES, "--instance", INSTANCE)
    refused = command("archive", "delete", archive, *named, "--reason", "wrong patient")
    assert (refused.code, shown(archive)) == (2, 2)

    deleted = command("archive", "delete", archive, *named, "--reason", "wrong patient", "--yes", "--json")
    assert (deleted.json, shown(archive)) == ({"Deleted": 1}, 1)
    again = command("archive", "add", str(files), "--to", archive)
    assert (again.code, "wrong patient" in again.notices) == (1, True)

    assert command("archive", "add", str(files), "--to", archive, "--revive").code == 0
    assert shown(archive) == 2


def test_garbage_goes_only_when_it_is_old_enough(archive: str, command: Command) -> None:
    command("archive", "delete", archive, "--study", STUDY, "--reason", "no longer needed", "--yes")
    assert command("archive", "gc", archive, "--json").json["Deleted"] == 0
    assert command("archive", "gc", archive, "--grace", "0", "--json").json["Deleted"] == 6


def test_a_correction_is_shown_and_taken_back(archive: str, command: Command) -> None:
    change = ("--study", STUDY, "--set", "PatientName=Right^Name", "--remove", "PatientID", "--reason", "misspelt")
    name = command("archive", "correct", archive, *change, "--json").json["Correction"]
    with Tree.open(f"file://{archive}") as tree:
        metadata = tree.metadata(PATH)
    assert metadata["00100010"]["Value"] == [{"Alphabetic": "Right^Name"}]
    assert "00100020" not in metadata

    assert name in command("archive", "corrections", archive, "--study", STUDY).output
    assert command("archive", "retract", archive, "--study", STUDY, name, "--reason", "it was right").code == 0
    assert command("archive", "corrections", archive, "--study", STUDY, "--json").json["Corrections"] == {}


@contextmanager
def serving(archive: str) -> Iterator[str]:
    with Tree.open(f"file://{archive}") as tree, ArchiveServer(("127.0.0.1", 0), tree) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()


def test_a_browser_gets_compressed_lists_and_frames_from_any_origin(archive: str) -> None:
    with serving(archive) as url:
        metadata = requests.get(f"{url}/studies/{STUDY}/series/{SERIES}/metadata", timeout=30)
        frames = requests.get(f"{url}/studies/{STUDY}/series/{SERIES}/instances/{INSTANCE}/frames/3,1", timeout=30)
        missing = requests.get(f"{url}/studies/9.9/series", timeout=30)
        head = requests.head(f"{url}/studies", timeout=30)
    assert metadata.headers["Content-Encoding"] == "gzip"
    assert metadata.headers["Access-Control-Allow-Origin"] == "*"
    assert len(metadata.json()) == 2
    assert frames.content.index(b"\x03" * FRAME) < frames.content.index(b"\x01" * FRAME)
    assert (missing.status_code, head.status_code, head.content) == (404, 200, b"")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({}, 1),
        ({"StudyInstanceUID": f"{STUDY},9.9"}, 1),
        ({"StudyInstanceUID": "9.9"}, 0),
        ({"ModalitiesInStudy": "XX"}, 0),
        ({"limit": "0"}, 0),
        ({"offset": "1"}, 0),
        ({"accept": "application/dicom+json", "charset": "utf-8"}, 1),
    ],
)
def test_studies_are_searched(archive: str, arguments: dict[str, str], found: int) -> None:
    with Tree.open(f"file://{archive}") as tree, closing(Resources(tree)) as resources:
        body = resources.get("/studies", arguments).body
    assert body.count(b'"0020000D"') == found


@pytest.mark.parametrize(
    ("path", "arguments", "found"),
    [
        ("/series", {}, 1),
        ("/instances", {"accept": "application/dicom+json"}, 2),
        ("/instances", {"SOPInstanceUID": INSTANCE}, 1),
        ("/instances", {"PatientID": "nobody"}, 0),
        ("/series", {"StudyInstanceUID": "9.9"}, 0),
        (f"/studies/{STUDY}/series", {"Modality": "XX"}, 0),
        (f"/studies/{STUDY}/instances", {"limit": "1"}, 1),
        (f"/studies/{STUDY}/series/{SERIES}/instances", {"offset": "1"}, 1),
    ],
)
def test_all_of_the_archive_is_searched(archive: str, path: str, arguments: dict[str, str], found: int) -> None:
    with Tree.open(f"file://{archive}") as tree, closing(Resources(tree)) as resources:
        assert len(json.loads(resources.get(path, arguments).body)) == found


@pytest.mark.parametrize("path", ["/studies", "/series", "/instances"])
def test_a_search_returns_the_fields_that_it_asks_for_and_refuses_others(archive: str, path: str) -> None:
    with Tree.open(f"file://{archive}") as tree, closing(Resources(tree)) as resources:
        results = json.loads(resources.get(path, {"includefield": "BitsStored,00280103"}).body)
        assert all({"00280101", "00280103"} <= result.keys() for result in results)
        assert "00280101" not in json.loads(resources.get(path, {}).body)[0]
        for wrong in ({"includefield": "Nonsense"}, {"fuzzymatching": "perhaps"}, {"limit": "-1"}):
            with pytest.raises(BadRequest):
                resources.get(path, wrong)


def test_a_search_for_a_similar_name_finds_it(archive: str, command: Command) -> None:
    named = ("--set", "PatientName=Mustermann^Erika", "--reason", "so that she has one")
    assert command("archive", "correct", archive, "--study", STUDY, *named).code == 0
    with Tree.open(f"file://{archive}") as tree, closing(Resources(tree)) as resources:
        for fuzzy, found in (("true", 1), ("false", 0)):
            arguments = {"PatientName": "Erika Musterman", "fuzzymatching": fuzzy}
            assert len(json.loads(resources.get("/studies", arguments).body)) == found


def test_metadata_is_answered_at_all_levels(archive: str) -> None:
    below = f"/studies/{STUDY}/series/{SERIES}"
    with Tree.open(f"file://{archive}") as tree, closing(Resources(tree)) as resources:
        found = {
            path: [one["00080018"]["Value"][0] for one in json.loads(resources.get(f"{path}/metadata", {}).body)]
            for path in (f"/studies/{STUDY}", below, f"{below}/instances/{INSTANCE}")
        }
    study, series, instance = found.values()
    assert (len(study), study, instance) == (2, series, [INSTANCE])


def test_what_cannot_be_searched_and_what_is_not_there_are_errors(archive: str) -> None:
    with Tree.open(f"file://{archive}") as tree, closing(Resources(tree)) as resources:
        with pytest.raises(BadRequest):
            resources.get("/studies", {"Nonsense": "1"})
        with pytest.raises(NotFound):
            resources.get("/studies/../archive.json", {})


def test_the_folder_of_an_archive_may_have_any_name(files: Path, tmp_path: Path, command: Command) -> None:
    named = tmp_path / "my archive ü%20"
    assert command("archive", "add", str(files), "--to", str(named)).code == 0
    for url in (str(named), named.as_uri()):
        assert command("archive", "verify", url).code == 0


@pytest.mark.parametrize(
    "wrong", [("--set", "StudyInstanceUID=1.2"), ("--remove", "SOPInstanceUID"), ("--to-study", "../../x")]
)
def test_a_correction_that_cannot_be_is_refused_with_a_reason(
    archive: str, command: Command, wrong: tuple[str, str]
) -> None:
    done = command("archive", "correct", archive, "--study", STUDY, "--reason", "none", *wrong)
    assert (done.code, "UIDs" in done.notices) == (1, True)


def test_an_archive_is_not_made_in_the_place_of_a_file(files: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "file").write_text("no archive")
    done = command("archive", "add", str(files), "--to", str(tmp_path / "file"))
    assert (done.code, "File exists" in done.notices) == (2, True)


def test_an_address_that_cannot_be_listened_on_is_named(archive: str, command: Command) -> None:
    done = command("archive", "serve", archive, "--port", "99999")
    assert (done.code, "127.0.0.1:99999 cannot" in done.notices) == (2, True)
