"""An archive shows what was added, corrected and deleted, to its own readers and to those of a plain web server."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
import pytest
from framecache.dicom.frame_table import FramePlace
from framecache.dicom.identity import InstancePath
from framecache.errors import NotFound, SourceError
from framecache.tree.changes import Correction, encode
from framecache.tree.errors import ArchiveError, Damaged
from framecache.tree.record import Element
from framecache.tree.source import Source, StoredInstance
from framecache.tree.tree import Tree

from tests.unit.dicom_files import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    INSTANCE,
    SERIES,
    STUDY,
    encapsulated,
    encoded,
    image,
    native,
)
from tests.unit.tree.places import FRAME, PATH, Place, add, contents, file, sent, value

SERIES_RESOURCE = f"studies/{STUDY}/series/{SERIES}"
NAME, NUMBER_OF_INSTANCES, STUDY_UID = "00100010", "00201208", "0020000D"


def second(number: int = 2) -> InstancePath:
    return InstancePath(STUDY, SERIES, f"{INSTANCE}.{number}")


def renamed(name: str) -> dict[str, Element | None]:
    return {NAME: {"vr": "PN", "Value": [{"Alphabetic": name}]}}


def test_what_was_added_is_read_and_listed(tree: Tree) -> None:
    assert add(tree, file(), file(10, second())) == ["added", "added"]

    assert [bytes(frame) for frame in tree.frames(PATH, [3, 1])] == [b"\2" * FRAME, b"\0" * FRAME]
    assert [value(study, NUMBER_OF_INSTANCES) for study in tree.studies()] == [2]
    assert [value(series, "0020000E") for series in tree.series(STUDY)] == [SERIES]
    assert [value(one, "00080018") for one in tree.instances(STUDY, SERIES)] == [INSTANCE, second().sop_instance_uid]
    assert tree.metadata(PATH) == tree.series_metadata(STUDY, SERIES)[0]


def test_a_web_server_sends_the_same(tree: Tree) -> None:
    add(tree, file())

    assert sent(tree, "studies") == tree.studies() == sent(tree, f"studies/{STUDY}")
    assert sent(tree, f"studies/{STUDY}/series") == tree.series(STUDY)
    assert sent(tree, f"{SERIES_RESOURCE}/instances") == tree.instances(STUDY, SERIES)
    assert sent(tree, f"{SERIES_RESOURCE}/metadata") == tree.series_metadata(STUDY, SERIES)
    part = tree.objects.read(f"{SERIES_RESOURCE}/instances/{INSTANCE}/frames/2")
    assert b"\r\n\r\n" + b"\1" * FRAME + b"\r\n--" in part
    assert b"Content-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1\r\n" in part


def test_adding_again_writes_nothing(place: Place) -> None:
    with place.open() as tree:
        add(tree, file(), file(10, second()))
        before = {listed.key: listed.modified for listed in tree.objects.listed("")}
    with place.open() as tree:
        assert add(tree, file(), file(10, second())) == ["unchanged", "unchanged"]
        assert {listed.key: listed.modified for listed in tree.objects.listed("")} == before


def test_a_replaced_instance_shows_its_new_frames_and_only_those(tree: Tree) -> None:
    add(tree, file(NumberOfFrames=3), file(50, second()))
    longer = file(100)
    assert add(tree, longer) == ["replaced"]

    assert [frame[0] for frame in tree.frames(PATH, [1, 2, 3])] == [100, 101, 102]
    assert b"d" * FRAME in tree.objects.read(f"{SERIES_RESOURCE}/instances/{INSTANCE}/frames/1")
    assert bytes(tree.frame(second(), 1)) == b"2" * FRAME

    shorter = file(200, NumberOfFrames=1, Rows=12)
    assert add(tree, shorter) == ["replaced"]
    assert [frame[0] for frame in tree.frames(PATH, [1])] == [200]
    frames = tree.objects.listed(f"{SERIES_RESOURCE}/instances/{INSTANCE}/frames")
    assert [listed.name for listed in frames] == ["1"]


def test_the_version_that_came_last_wins_though_it_was_there_before(tree: Tree) -> None:
    for number, outcome in ((0, "added"), (100, "replaced"), (0, "replaced"), (0, "unchanged")):
        assert add(tree, file(number)) == [outcome]
        assert tree.frame(PATH, 1)[0] == number
        part = tree.objects.read(f"{SERIES_RESOURCE}/instances/{INSTANCE}/frames/1")
        assert bytes([number]) * FRAME in part


def test_a_deleted_instance_is_gone_and_is_not_revived_by_chance(tree: Tree) -> None:
    add(tree, file(), file(10, second()))
    assert tree.delete(STUDY, SERIES, INSTANCE, reason="of another patient") == 1

    with pytest.raises(NotFound):
        tree.frame(PATH, 1)
    assert [value(study, NUMBER_OF_INSTANCES) for study in tree.studies()] == [1]
    assert not tree.objects.listed(f"{SERIES_RESOURCE}/instances/{INSTANCE}/frames")
    [skipped] = tree.add([file()])
    assert "of another patient" in getattr(skipped, "reason", "")
    assert add(tree, file(30)) == ["skipped"]

    assert add(tree, file(), revive=True) == ["added"]
    assert tree.frame(PATH, 2)[0] == 1
    assert [value(study, NUMBER_OF_INSTANCES) for study in tree.studies()] == [2]


def test_a_deleted_study_is_listed_nowhere(tree: Tree) -> None:
    add(tree, file(), file(10, InstancePath("1.9", "1.9.1", "1.9.1.1")))
    tree.delete(STUDY, reason="too old")

    assert [value(study, STUDY_UID) for study in tree.studies()] == ["1.9"]
    assert [value(study, STUDY_UID) for study in sent(tree, "studies")] == ["1.9"]
    assert not [key for key in contents(tree) if key.startswith(f"studies/{STUDY}")]
    with pytest.raises(NotFound):
        tree.delete(STUDY, reason="again")


def test_attributes_are_corrected_and_the_correction_is_taken_back(tree: Tree) -> None:
    add(tree, file())
    correction = tree.correct(Correction(STUDY, "misspelt", attributes={**renamed("Right"), "00280008": None}))

    [metadata] = sent(tree, f"{SERIES_RESOURCE}/metadata")
    assert (value(metadata, NAME), "00280008" in metadata) == ({"Alphabetic": "Right"}, False)
    assert value(sent(tree, "studies")[0], NAME) == {"Alphabetic": "Right"}
    assert add(tree, file(10, second())) == ["added"]
    assert {value(one, NAME)["Alphabetic"] for one in tree.series_metadata(STUDY, SERIES)} == {"Right"}

    tree.retract(STUDY, correction, reason="it was right")
    assert {value(one, NAME)["Alphabetic"] for one in tree.series_metadata(STUDY, SERIES)} == {"Synthetic"}
    with pytest.raises(NotFound):
        tree.retract(STUDY, correction, reason="again")


def test_a_study_gets_another_uid(tree: Tree) -> None:
    add(tree, file(), file(10, second()))
    correction = tree.correct(Correction(STUDY, "wrong order", to_study="7.7"))

    assert [value(study, STUDY_UID) for study in sent(tree, "studies")] == ["7.7"]
    moved = InstancePath("7.7", SERIES, INSTANCE)
    assert tree.frame(moved, 2)[0] == 1
    assert b"\1" * FRAME in tree.objects.read(f"studies/7.7/series/{SERIES}/instances/{INSTANCE}/frames/2")
    assert sent(tree, f"studies/{STUDY}") is None
    with pytest.raises(NotFound):
        tree.frame(PATH, 1)
    assert add(tree, file(20, second(3))) == ["added"]
    assert value(tree.studies()[0], NUMBER_OF_INSTANCES) == 3

    tree.retract(STUDY, correction, reason="right after all")
    assert [value(study, STUDY_UID) for study in sent(tree, "studies")] == [STUDY]
    assert not [key for key in contents(tree) if key.startswith("studies/7.7")]
    assert tree.frame(PATH, 2)[0] == 1


def test_instances_are_split_off_into_a_series_of_their_own(tree: Tree) -> None:
    add(tree, file(), file(10, second()))
    split = Correction(STUDY, "two series", SERIES, (second().sop_instance_uid,), to_study="7.7", to_series="7.7.1")
    tree.correct(split)

    assert [value(one, "00080018") for one in tree.instances(STUDY, SERIES)] == [INSTANCE]
    assert [value(one, "0020000E") for one in tree.series_metadata("7.7", "7.7.1")] == ["7.7.1"]
    assert tree.frame(InstancePath("7.7", "7.7.1", second().sop_instance_uid), 1)[0] == 10
    assert tree.delete("7.7", reason="nobody wants it") == 1
    assert [value(study, STUDY_UID) for study in tree.studies()] == [STUDY]


def test_bulk_data_moves_with_its_instance(tree: Tree) -> None:
    add(tree, Source.content(encoded(image(EncapsulatedDocument=b"%PDF" * 10_000))))
    tree.correct(Correction(STUDY, "wrong order", to_study="7.7"))

    [metadata] = tree.series_metadata("7.7", SERIES)
    assert tree.bulk_data("7.7", metadata["00420011"]["BulkDataURI"]) == b"%PDF" * 10_000


def test_corrections_that_do_not_know_each_other_are_a_conflict(place: Place) -> None:
    with place.open() as one, place.open() as other:
        add(one, file())
        one.correct(Correction(STUDY, "first", attributes=renamed("First")))
        one.correct(Correction(STUDY, "knows the first", attributes=renamed("Second")))
        assert one.conflicts(STUDY) == ()
        blind = Correction(STUDY, "saw neither", attributes=renamed("Third"), sequence=2)
        other.objects.create(*encode(blind, STUDY))
        other.derive(STUDY)

        [conflict, _] = one.conflicts(STUDY)
        assert conflict.about == NAME
        shown = {value(tree.metadata(PATH), NAME)["Alphabetic"] for tree in (one, other)}
        assert len(shown) == 1
        assert value(sent(one, "studies")[0], NAME)["Alphabetic"] in shown


def test_a_bad_file_stops_nothing(tree: Tree) -> None:
    bad = [Source.content(b"no DICOM file"), Source.content(b""), Source.file("/nowhere/to/be/found")]
    broken = Source.content(file().open().read_at(0, 400))
    assert add(tree, bad[0], file(), *bad[1:], broken) == ["skipped", "skipped", "skipped", "skipped", "added"]


def test_a_frame_that_was_altered_is_never_returned(tree: Tree) -> None:
    add(tree, file())
    key = f"{SERIES_RESOURCE}/instances/{INSTANCE}/frames/1"
    tree.objects.replace(key, tree.objects.read(key).replace(b"\0" * FRAME, b"\7" * FRAME))

    with pytest.raises(Damaged):
        tree.frame(PATH, 1)
    assert tree.frame(PATH, 2)[0] == 1


def test_many_frames_are_kept_in_one_object(tree: Tree) -> None:
    assert add(tree, file(), together_from=3) == ["added"]

    assert [frame[0] for frame in tree.frames(PATH, [1, 3, 2])] == [0, 2, 1]
    assert not [key for key in contents(tree) if "frames" in key]
    assert add(tree, file(), together_from=3) == ["unchanged"]


def test_a_video_is_bulk_data(tree: Tree) -> None:
    stream = [b"\0\0\0\x18ftyp", b"mp42" * 9]
    video = encapsulated([b"", *stream], "1.2.840.10008.1.2.4.102", NumberOfFrames=100)
    assert add(tree, Source.content(video)) == ["added"]

    [metadata] = tree.series_metadata(STUDY, SERIES)
    assert tree.bulk_data(STUDY, metadata["7FE00010"]["BulkDataURI"]) == b"".join(stream)
    assert tree.record(PATH).number_of_frames == 0
    assert list(tree.verify()) == []


def test_a_file_without_pixel_data_has_metadata_and_bulk_data(tree: Tree) -> None:
    document = image(EncapsulatedDocument=b"%PDF" * 10_000)
    assert add(tree, Source.content(encoded(document))) == ["added"]

    [metadata] = tree.series_metadata(STUDY, SERIES)
    assert tree.bulk_data(STUDY, metadata["00420011"]["BulkDataURI"]) == b"%PDF" * 10_000
    with pytest.raises(NotFound):
        tree.bulk_data(STUDY, "bulkdata/../../archive.json")


@pytest.mark.parametrize(
    ("transfer_syntax_uid", "bits"), [(IMPLICIT, 8), (BIG_ENDIAN, 16), (DEFLATED, 8), (EXPLICIT, 16)]
)
def test_native_frames_are_kept_as_explicit_little_endian(tree: Tree, transfer_syntax_uid: str, bits: int) -> None:
    size = 24 * bits // 8
    little = bytes(range(3 * size))
    stored = swapped(little) if transfer_syntax_uid == BIG_ENDIAN else little
    add(
        tree, Source.content(native(stored, transfer_syntax_uid, BitsAllocated=bits, BitsStored=bits, HighBit=bits - 1))
    )

    record = tree.record(PATH)
    assert (record.transfer_syntax_uid, record.frames_transfer_syntax_uid) == (transfer_syntax_uid, EXPLICIT)
    assert [bytes(frame) for frame in tree.frames(PATH, [1, 2, 3])] == [
        little[i : i + size] for i in range(0, 3 * size, size)
    ]
    is_as_it_lies = transfer_syntax_uid in (IMPLICIT, EXPLICIT)
    assert all(bool(frame.runs) == is_as_it_lies for frame in record.frames)


def swapped(words: bytes) -> bytes:
    return b"".join(words[i : i + 2][::-1] for i in range(0, len(words), 2))


def test_a_frame_s_fragments_are_joined_and_its_runs_lie_in_the_source(tree: Tree) -> None:
    fragments = [b"\xff\x4f\xff\x51" + b"a" * 6, b"b" * 8, b"\xff\x4f\xff\x51" + b"c" * 4]
    content = encapsulated([b"", *fragments], NumberOfFrames=2)
    add(tree, Source.content(content))

    record = tree.record(PATH)
    assert [bytes(frame) for frame in tree.frames(PATH, [1, 2])] == [b"".join(fragments[:2]), fragments[2]]
    runs = [content[run.offset : run.offset + run.length] for frame in record.frames for run in frame.runs]
    assert runs == fragments


@pytest.mark.parametrize("number", [0, 4, -1])
def test_a_frame_that_the_instance_has_not_is_not_found(tree: Tree, number: int) -> None:
    add(tree, file())
    with pytest.raises(NotFound):
        tree.frame(PATH, number)


def test_a_newer_format_is_refused(place: Place) -> None:
    with place.open() as tree:
        tree.objects.replace("archive.json", b'{"format":"framecache-archive","version":2}')
    if place.url.startswith("memory"):
        pytest.skip("it is opened by its URL")
    with pytest.raises(ArchiveError, match="version"):
        place.open()


def test_text_of_a_file_that_names_no_character_set_is_latin_1(tree: Tree) -> None:
    source = file(PatientName="M?ller^A")
    with closing(source.open()) as reader:
        content = reader.read_at(0, reader.size).replace(b"M?ller", b"M\xfcller")
    assert add(tree, Source.content(content)) == ["added"]

    [metadata] = tree.series_metadata(STUDY, SERIES)
    assert metadata["00100010"]["Value"] == [{"Alphabetic": "M\u00fcller^A"}]


def test_what_is_written_comes_before_what_could_not_be_read_at_last(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = StoredInstance.read_into

    def read_or_fail(stored: StoredInstance, place: FramePlace, target: memoryview) -> None:
        if stored.path == PATH:
            raise SourceError("the disk fails")
        read(stored, place, target)

    monkeypatch.setattr(StoredInstance, "read_into", read_or_fail)
    assert add(tree, file(), file(5, second())) == ["added", "skipped"]


@pytest.mark.parametrize("written", [b"", b'{"format":"framecache-arch', b'{"format":"framecache-archive"' + bytes(16)])
def test_who_writes_mends_what_a_loss_of_power_left_of_the_format(place: Place, written: bytes) -> None:
    if place.url.startswith("memory"):
        pytest.skip("it is opened by its URL")
    with place.open() as tree:
        add(tree, file())
        tree.objects.replace("archive.json", written)
    with pytest.raises(ArchiveError, match=r"archive\.json is cut off"):
        place.open()
    with Tree.open(place.url, writes=True) as tree:
        assert add(tree, file()) == ["unchanged"]
    with place.open() as tree:
        assert tree.frame(PATH, 2)[0] == 1


def test_a_folder_s_url_has_three_slashes(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="three slashes"):
        Tree.open(f"file:/{tmp_path}")


@pytest.mark.parametrize("together_from", [3, 9])
def test_no_frames_stay_of_what_was_replaced_by_an_instance_without_own_places(tree: Tree, together_from: int) -> None:
    add(tree, file())
    frames = f"{SERIES_RESOURCE}/instances/{INSTANCE}/frames"
    assert tree.objects.listed(frames)
    document = Source.content(encoded(image(EncapsulatedDocument=b"%PDF")))
    assert add(tree, file(100) if together_from == 3 else document, together_from=together_from) == ["replaced"]

    assert not tree.objects.listed(frames)
    assert tree.record(PATH).version == 2
    tree.gc(timedelta())
    assert not tree.objects.listed("contested")


def test_a_table_that_names_more_than_there_can_be_asks_for_no_memory(tree: Tree) -> None:
    add(tree, file(), together_from=3)
    key = f"versions/{tree.record(PATH).origin.sha256}/table"
    tree.objects.replace(key, tree.objects.read(key)[:-24] + (1 << 62).to_bytes(8, "little") + bytes(16))
    assert tree.frame(PATH, 1)[0] == 0
    with pytest.raises(Damaged):
        tree.frame(PATH, 3)


def test_a_store_that_answers_with_less_than_it_is_asked_for_is_not_believed(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tree, file(), together_from=3)
    get_ranges = obstore.get_ranges

    def get_less(*arguments: Any, **named: Any) -> Any:
        return [bytes(content)[:-1] for content in get_ranges(*arguments, **named)]

    monkeypatch.setattr(obstore, "get_ranges", get_less)
    with pytest.raises(Damaged):
        tree.frame(PATH, 1)
