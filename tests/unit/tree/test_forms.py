"""Frames in another form beside the stored ones: added, read, verified, and collected with their source."""

from __future__ import annotations

from datetime import timedelta

import pytest
from framecache.codecs.process.errors import Unwritable
from framecache.dicom.identity import InstancePath
from framecache.errors import NotFound
from framecache.tree import layout
from framecache.tree.errors import Damaged
from framecache.tree.layout import FORMS
from framecache.tree.source import Source
from framecache.tree.tree import Tree

from tests.unit.dicom_files import INSTANCE, SERIES, STUDY, native
from tests.unit.tree.forms import Reversed

PIXELS = bytes(range(72))
SOURCE = Source.content(native(PIXELS))
PATH = InstancePath(STUDY, SERIES, INSTANCE)
FRAMES = [PIXELS[start : start + 24][::-1] for start in (0, 24, 48)]
[FORM] = FORMS


def frames(tree: Tree, *numbers: int) -> list[bytes]:
    return [bytes(frame) for frame in tree.frames_in(tree.record(PATH), FORM, numbers)]


@pytest.fixture(params=[100, 2], ids=["each an object", "in one object"])
def filled(request: pytest.FixtureRequest, tree: Tree) -> Tree:
    list(tree.add([SOURCE], together_from=request.param))
    return tree


def test_frames_are_read_in_the_form_that_was_added(filled: Tree) -> None:
    with pytest.raises(NotFound):
        frames(filled, 1)
    assert filled.add_form(SOURCE, Reversed())
    assert frames(filled, 1, 2, 3) == FRAMES
    assert frames(filled, 3, 1) == [FRAMES[2], FRAMES[0]]
    assert filled.frame(PATH, 1) == PIXELS[:24]
    with pytest.raises(NotFound):
        frames(filled, 4)


def test_what_is_there_or_is_not_wanted_is_not_made(filled: Tree) -> None:
    assert not filled.add_form(SOURCE, Reversed(is_wanted=False))
    assert filled.add_form(SOURCE, Reversed())
    assert not filled.add_form(SOURCE, Reversed(fails_at=1))


def test_nothing_is_written_of_a_form_that_a_frame_has_no_room_in(filled: Tree) -> None:
    with pytest.raises(Unwritable):
        filled.add_form(SOURCE, Reversed(fails_at=3))
    with pytest.raises(NotFound):
        frames(filled, 1)


@pytest.mark.parametrize("damage", ["cut off", "another byte", "no table"])
def test_a_damaged_form_is_not_served_and_removed_by_verify(filled: Tree, damage: str) -> None:
    filled.add_form(SOURCE, Reversed())
    key = layout.form(filled.record(PATH).origin.sha256, FORM)
    content = bytearray(filled.objects.read(key))
    content[3] ^= 1
    damaged = {"cut off": bytes(content[:40]), "another byte": bytes(content), "no table": bytes(168)}[damage]
    filled.objects.replace(key, damaged)
    with pytest.raises(Damaged):
        frames(filled, 1)

    assert [(finding.key, finding.is_repaired) for finding in filled.verify()] == [(key, True)]
    assert list(filled.verify()) == []
    assert filled.add_form(SOURCE, Reversed())
    assert frames(filled, 1, 2, 3) == FRAMES


def test_a_form_lives_as_long_as_its_source(filled: Tree) -> None:
    filled.add_form(SOURCE, Reversed())
    filled.gc(timedelta())
    assert frames(filled, 2) == [FRAMES[1]]
    record = filled.record(PATH)

    filled.delete(STUDY, reason="no longer needed")
    filled.gc(timedelta())
    with pytest.raises(NotFound):
        filled.frames_in(record, FORM, [1])
