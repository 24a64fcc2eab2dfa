"""Frames from the archive: only of the very file that Orthanc holds, and from elsewhere whatever is wrong there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from framecache.dicom.ranged_reader import OutOfReach
from framecache.instances.archive import Archive, is_made_of
from framecache.instances.entry import Entry
from framecache.instances.frame_sources import FrameSources
from framecache.orthanc.instance import Instance
from framecache.telemetry.metrics import Metrics
from framecache.threads import Desk
from framecache.tree import layout
from framecache.tree.errors import Unreachable
from framecache.tree.source import Source
from framecache.tree.tree import Tree

from tests.unit.dicom_files import INSTANCE, native
from tests.unit.fakes import PATH, UUID, FakeApi, FakeClock, stored_files, uuid
from tests.unit.tree.forms import Reversed

PIXELS = bytes(range(72))
CONTENT = native(PIXELS)
MD5 = "0123456789abcdef0123456789abcdef"


class Site:
    """An Orthanc without a folder, and an archive that has its instance as it was written from `attachment`."""

    def __init__(self, *, together_from: int = 100, patience: float = 10.0) -> None:
        self.api, self.clock, self.metrics, self.desk = FakeApi(), FakeClock(), Metrics(), Desk("test", 2)
        self.api.store(CONTENT)
        self.tree = Tree.open("memory://")
        list(self.tree.add([Source("one", Source.content(CONTENT).open, UUID, MD5)], together_from=together_from))
        self.opened, self.error, self.opens = 0, "", threading.Event()
        self.opens.set()
        self.archive = Archive(
            self._open,
            self.desk,
            self.clock,
            self.metrics,
            patience=patience,
            least_for_a_frame=len(CONTENT),
            least_for_all=len(CONTENT) + 1,
        )
        self.sources = FrameSources(stored_files(self.api), self.archive)

    def _open(self) -> Tree:
        self.opened += 1
        assert self.opens.wait(60)
        if self.error:
            raise Unreachable(self.error)
        return self.tree

    @property
    def instance(self) -> Instance:
        (stored,) = self.api.instances.values()
        return Instance.from_find(stored.answer)

    def frames(self) -> list[bytes]:
        frames = []
        with self.sources.open(Entry(self.instance, None, 0.0)) as source:
            for index in range(source.number_of_frames):
                target = bytearray(source.frame_length(index))
                source.read_frame(index, memoryview(target))
                frames.append(bytes(target))
        return frames


@pytest.fixture(params=[100, 2], ids=["each an object", "in one object"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    site = Site(together_from=request.param)
    yield site
    site.tree.close()
    site.desk.close()


FRAMES = [PIXELS[start : start + 24] for start in (0, 24, 48)]


def test_frames_come_from_the_archive_and_the_file_is_not_read(site: Site) -> None:
    assert site.frames() == FRAMES
    assert site.api.calls == []
    assert site.metrics["archive_reads"] == 3
    assert site.metrics["archive_bytes"] == 72


def test_orthanc_is_asked_for_a_file_that_is_read_sooner_than_the_archive_answers(site: Site) -> None:
    assert site.archive.record(site.instance, whole=True) is None
    assert site.archive.record(replace(site.instance, file_size=len(CONTENT) - 1)) is None
    assert site.opened == 0


def test_the_header_comes_from_the_stored_file(site: Site) -> None:
    with site.sources.open(Entry(site.instance, None, 0.0)) as source:
        assert b"Synthetic" in source.header()
        assert source.content.size == len(CONTENT)
    assert len(site.api.calls) == 2


def test_a_frame_that_the_archive_has_lost_comes_from_the_stored_file(site: Site) -> None:
    keys = [listed.key for prefix in ("studies", "versions") for listed in site.tree.objects.listed(prefix)]
    site.tree.objects.delete([key for key in keys if "/frames/2" in key or key.endswith("/all")])

    assert site.frames() == FRAMES
    assert site.metrics["archive_faults"] >= 1


@pytest.mark.parametrize("asked", ["record_of_file", "frames_of"])
def test_whatever_goes_wrong_in_the_archive_frames_come_from_the_stored_file(
    site: Site, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("of a library")

    monkeypatch.setattr(Tree, asked, fail)
    assert site.frames() == FRAMES
    assert "of a library" in site.archive.figures().error


def test_an_archive_that_does_not_answer_is_asked_once_in_a_while(site: Site) -> None:
    site.error = "nobody answers"
    for _ in range(3):
        assert site.frames() == FRAMES
    assert site.opened == 1
    assert site.archive.figures().error == "nobody answers"

    site.error, site.clock.now = "", site.clock.now + 11
    site.api.calls.clear()
    assert site.frames() == FRAMES
    assert site.api.calls == []
    assert site.archive.figures().error == ""


def test_nobody_waits_long_for_a_slow_archive() -> None:
    site = Site(patience=0.2)
    site.opens.clear()
    assert site.frames() == FRAMES
    assert site.frames() == FRAMES
    assert not site.opens.is_set()
    site.opens.set()
    site.tree.close()
    site.desk.close()


def test_an_instance_that_is_not_there_is_asked_for_once_in_a_while(site: Site) -> None:
    content = native(PIXELS, SOPInstanceUID=f"{INSTANCE}.7")
    path = replace(PATH, sop_instance_uid=f"{INSTANCE}.7")
    other = replace(site.instance, path=path, attachment_uuid=uuid(7), file_size=len(content))
    assert site.archive.record(other) is None

    list(site.tree.add([replace(Source.content(content), attachment_uuid=uuid(7))]))
    assert site.archive.record(other) is None
    site.archive.forget(other)
    assert site.archive.record(other) is not None


@pytest.mark.parametrize(
    ("changes", "is_of"),
    [
        ({}, True),
        ({"attachment_uuid": uuid(5), "md5": MD5}, True),
        ({"attachment_uuid": uuid(5), "md5": ""}, False),
        ({"attachment_uuid": uuid(5), "md5": MD5[::-1]}, False),
        ({"file_size": len(CONTENT) + 1}, False),
        ({"transfer_syntax_uid": "1.2.840.10008.1.2.4.90"}, False),
    ],
)
def test_a_record_counts_for_the_file_that_it_is_made_of_alone(
    site: Site,
    changes: dict[str, str],
    is_of: bool,  # noqa: FBT001
) -> None:
    record = site.tree.record(PATH)
    assert is_made_of(record, replace(site.instance, **changes)) == is_of  # type: ignore[arg-type]


def test_a_replaced_instance_is_not_served_from_the_record_of_the_old_one(site: Site) -> None:
    other = PIXELS[::-1]
    site.api.store(native(other), uuid=uuid(8))

    assert site.frames() == [other[start : start + 24] for start in (0, 24, 48)]


def test_a_frame_out_of_reach_is_an_error_of_the_archive(site: Site) -> None:
    record = site.archive.record(site.instance)
    assert record is not None
    with pytest.raises(OutOfReach):
        site.archive.frame(record, 99)


def test_a_form_comes_from_the_archive_if_it_is_there_and_whole(site: Site) -> None:
    entry = Entry(site.instance, None, 0.0)
    form = Reversed.transfer_syntax_uid
    assert site.sources.made(entry, form, 2) is None
    source = Source("one", Source.content(CONTENT).open, UUID, MD5)
    site.tree.add_form(source, Reversed())
    assert site.sources.made(entry, form, 2) == FRAMES[1][::-1]
    assert site.sources.made(entry, "1.2.840.10008.1.2.5", 2) is None

    site.tree.objects.replace(layout.form(site.tree.record(PATH).origin.sha256, form), b"damaged")
    assert site.sources.made(entry, form, 2) is None
