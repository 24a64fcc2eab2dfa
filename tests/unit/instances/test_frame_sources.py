"""Frames as they are stored: from the file, from memory, or one by one from Orthanc's core."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from framecache.dicom.frame_source import FrameSource
from framecache.errors import BrokenPixelData, FrameCacheError, HandOver, InstanceGone, SourceError
from framecache.instances.entry import Entry
from framecache.orthanc.instance import Instance

from tests.unit.dicom_files import DEFLATED, EXPLICIT, IMPLICIT, JPEG_2000, encapsulated, native
from tests.unit.fakes import FakeApi, find_answer, sources, uuid

PIXELS = bytes(range(72))
NATIVE_FRAMES = [PIXELS[i : i + 24] for i in (0, 24, 48)]
FRAGMENTS = [b"\xff\x4f\xff\x51aa", b"bb", b"\xff\x4f\xff\x51cc", b"\xff\x4f\xff\x51dd", b"ee"]
FILES = {
    EXPLICIT: (native(PIXELS), NATIVE_FRAMES),
    IMPLICIT: (native(PIXELS, IMPLICIT), NATIVE_FRAMES),
    DEFLATED: (native(PIXELS, DEFLATED), NATIVE_FRAMES),
    JPEG_2000: (
        encapsulated([b"", *FRAGMENTS]),
        [b"\xff\x4f\xff\x51aabb", b"\xff\x4f\xff\x51cc", b"\xff\x4f\xff\x51ddee"],
    ),
}


def entry_of(api: FakeApi, **values: Any) -> Entry:
    """The entry of the one instance that is stored."""
    (stored,) = api.instances.values()
    path = str(api.path_of(stored.answer)) if api.storage else None
    return Entry(Instance.from_find({**stored.answer, **values}), path, 0.0)


def frames_of(source: FrameSource) -> list[bytes]:
    frames = []
    for index in range(source.number_of_frames):
        target = bytearray(source.frame_length(index))
        source.read_frame(index, memoryview(target))
        frames.append(bytes(target))
    return frames


@pytest.mark.parametrize("syntax", FILES)
@pytest.mark.parametrize("whole", [False, True])
def test_frames_come_from_the_stored_file_without_asking_orthanc(tmp_path: Path, syntax: str, *, whole: bool) -> None:
    api = FakeApi(tmp_path)
    content, frames = FILES[syntax]
    api.store(content, syntax=syntax)
    entry = entry_of(api)

    for _ in range(2):  # the second time the table is known
        with sources(api).open(entry, whole=whole) as source:
            assert frames_of(source) == frames
            assert b"Synthetic" in source.header()
    assert api.calls == []


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("syntax", FILES)
def test_without_a_folder_a_whole_instance_comes_in_one_call(syntax: str, *, whole: bool) -> None:
    """For one frame, too: what the core cuts out can be of the version before an overwrite."""
    api = FakeApi()
    content, frames = FILES[syntax]
    name = api.store(content, syntax=syntax)

    with sources(api).open(entry_of(api), whole=whole) as source:
        assert frames_of(source) == frames
    assert api.calls == [f"GET /instances/{name}/file", f"GET /instances/{name}/attachments/dicom/info"]


@pytest.mark.parametrize("whole", [False, True])
def test_without_a_folder_what_is_too_large_to_be_read_whole_is_left_to_the_stock_plugin(*, whole: bool) -> None:
    """Frames of Orthanc 1.12.7's core were seen to be of the version before, though it told of the new one already."""
    api = FakeApi()
    api.store(native(PIXELS))
    entry = entry_of(api)
    entry.instance = replace(entry.instance, file_size=(512 << 20) + 1)

    with pytest.raises(HandOver, match="too large"), sources(api).open(entry, whole=whole):
        pass
    assert api.calls == []


def test_without_a_folder_instances_are_in_memory_once_and_within_the_limit() -> None:
    api = FakeApi()
    name = api.store(native(PIXELS))
    entry = entry_of(api)
    several = sources(api, entry.instance.file_size)

    with several.open(entry) as first, several.open(entry) as second:
        assert frames_of(first) == frames_of(second)
        assert api.calls.count(f"GET /instances/{name}/file") == 1
    with several.open(entry):
        assert api.calls.count(f"GET /instances/{name}/file") == 2
    with pytest.raises(HandOver, match="too large"), sources(api, entry.instance.file_size - 1).open(entry):
        pass


@pytest.mark.parametrize("whole", [False, True])
def test_without_a_folder_what_was_replaced_meanwhile_is_a_gone_instance(*, whole: bool) -> None:
    """Orthanc gives the frames of whatever version it now has; those of two must not meet in one answer."""
    api = FakeApi()
    api.store(native(PIXELS))
    entry = entry_of(api)
    api.store(native(PIXELS), uuid=uuid(1))

    with pytest.raises(InstanceGone), sources(api).open(entry, whole=whole) as source:
        frames_of(source)


class RefusingApi(FakeApi):
    """An Orthanc that cannot read the file, as where it is replaced between its look into the index and the read."""

    def __init__(self, *, replaces: bool) -> None:
        super().__init__()
        self._replaces = replaces

    def get(self, uri: str) -> bytes:
        if uri.endswith("/file"):
            if self._replaces:
                self.store(native(PIXELS[::-1]), uuid=uuid(2))
            raise SourceError("Orthanc refuses: The specified path does not point to a regular file")
        return super().get(uri)


@pytest.mark.parametrize(("replaces", "error"), [(True, InstanceGone), (False, SourceError)])
def test_a_file_that_orthanc_cannot_read_is_a_gone_instance_only_where_it_was_replaced(
    replaces: bool,  # noqa: FBT001 - a row of the table
    error: type[SourceError],
) -> None:
    api = RefusingApi(replaces=replaces)
    api.store(native(PIXELS), uuid=uuid(1))

    with pytest.raises(SourceError) as raised, sources(api).open(entry_of(api)):
        pass
    assert type(raised.value) is error


def test_a_file_that_is_gone_is_a_gone_instance(tmp_path: Path) -> None:
    api = FakeApi(tmp_path)
    api.store(native(PIXELS))
    entry = entry_of(api)
    api.delete(entry.instance.orthanc_id)

    with pytest.raises(InstanceGone), sources(api).open(entry):
        pass


def test_a_file_cut_short_behind_its_table_is_an_error_and_no_frame(tmp_path: Path) -> None:
    api = FakeApi(tmp_path)
    api.store(native(PIXELS))
    entry = entry_of(api)
    assert entry.stored_path
    with sources(api).open(entry):
        pass
    Path(entry.stored_path).write_bytes(native(PIXELS)[:-10])

    with sources(api).open(entry) as source, pytest.raises(FrameCacheError, match="ends before"):
        frames_of(source)


def test_a_deflated_file_cut_in_its_pixels_has_the_frames_before_the_cut(tmp_path: Path) -> None:
    api, pixels = FakeApi(tmp_path), os.urandom(72)  # so that they are not deflated to nothing
    api.store(native(pixels, DEFLATED)[:-10], syntax=DEFLATED)

    with sources(api).open(entry_of(api)) as source:
        assert source.number_of_frames == 3
        target = bytearray(24)
        for index in range(source.frames_present):
            source.read_frame(index, memoryview(target))
            assert target == pixels[24 * index : 24 * index + 24]
        with pytest.raises(BrokenPixelData):
            source.frame_length(2)


@pytest.mark.parametrize("cut", [140, 300, 400])
def test_a_deflated_file_cut_short_is_an_error_of_ours(tmp_path: Path, cut: int) -> None:
    api = FakeApi(tmp_path)
    api.store(native(PIXELS, DEFLATED)[:cut], syntax=DEFLATED)

    with pytest.raises(FrameCacheError), sources(api).open(entry_of(api)):
        pass


def test_a_deflated_file_that_grows_too_large_is_left_to_others(tmp_path: Path) -> None:
    api = FakeApi(tmp_path)
    api.store(native(bytes(1_000_000), DEFLATED, Rows=500, Columns=2000, NumberOfFrames=1), syntax=DEFLATED)

    with pytest.raises(FrameCacheError, match="too large"), sources(api, 1000).open(entry_of(api)):
        pass


def test_an_instance_of_another_number_of_frames_is_read_as_its_file_says(tmp_path: Path) -> None:
    """Orthanc's database may lag behind; the file is the truth."""
    api = FakeApi(tmp_path)
    api.store(native(PIXELS), number_of_frames=99)
    entry = entry_of(api, MainDicomTags=find_answer(number_of_frames=99)["MainDicomTags"])

    with sources(api).open(entry) as source:
        assert source.number_of_frames == 3
