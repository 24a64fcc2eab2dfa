"""Names and bytes from outside: nothing of them escapes into a path, and no file of them stops a reader."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from framecache.dicom.identity import InstancePath, is_identifier
from framecache.errors import BadRequest
from framecache.tree import changes, joined_gzip
from framecache.tree.changes import Correction
from framecache.tree.entry import Entry
from framecache.tree.errors import ArchiveError
from framecache.tree.json_object import canonical, comment_of, compressed, decompressed
from framecache.tree.layout import digest, file_name
from framecache.tree.tree import Tree
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.tree.places import add, contents, file

IDENTIFIERS = st.from_regex(r"[!-~]([ -~]{0,70}[!-~])?", fullmatch=True).filter(is_identifier)


@given(st.text(max_size=300))
@example("../../etc/passwd")
@example("index.json.gz")
@example("changes")
@example("CON")
def test_a_name_is_one_step_of_a_path_and_none_of_our_own(identifier: str) -> None:
    name = file_name(identifier)
    assert re.fullmatch(r"[0-9A-Za-z_][0-9A-Za-z._-]{0,63}", name)
    assert name not in {"index.json.gz", "metadata.gz", "metadata", "changes", "series", "instances", "frames"}


@given(st.text(max_size=100), st.text(max_size=100))
def test_two_identifiers_have_two_names(one: str, other: str) -> None:
    assert (file_name(one) == file_name(other)) == (one == other)


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@settings(max_examples=15)
@given(IDENTIFIERS, IDENTIFIERS, IDENTIFIERS)
def test_any_identifier_that_the_plugin_takes_is_added_and_read(study: str, series: str, instance: str) -> None:
    path = InstancePath(study, series, instance)
    with Tree.open("memory://") as tree:
        outcomes = add(tree, file(7, path))
        # pydicom writes some of them otherwise than they were given: spaces at the ends, backslashes.
        if outcomes == ["added"] and tree.derivation.view(file_name(study)).shown:
            [shown] = tree.derivation.view(file_name(study)).shown
            assert tree.frame(shown.path, 1)[0] == 7
        assert all(re.fullmatch(r"[0-9A-Za-z._/-]+", key) and ".." not in key.split("/") for key in contents(tree))


@given(st.binary(max_size=400))
@example(b"\x1f\x8b")
@example(compressed(b"[1]"))
@example(compressed(b'{"kind": "instances", "study": 1, "series": 2, "records": [{}]}'))
@example(compressed(b'{"kind": "deletion", "study": "1", "reason": "", "instances": 3}'))
@example(compressed(b"[" * 100_000))
def test_bytes_that_are_no_entry_are_damaged_and_nothing_else(content: bytes) -> None:
    for decode in (Entry.decode, changes.decode):
        with pytest.raises(ArchiveError):
            decode(content, _name(content))
    assert isinstance(joined_gzip.split(content), dict)
    assert isinstance(comment_of(content), str)


def _name(content: bytes) -> str:
    """Its right name, if it has one: then the content alone is wrong."""
    try:
        return digest(gzip.decompress(content))
    except (OSError, EOFError, zlib.error):
        return "0" * 64


SCALARS = st.none() | st.integers() | st.text()


@given(st.recursive(SCALARS, lambda some: st.lists(some) | st.dictionaries(st.text(), some)))
def test_what_was_compressed_is_decompressed(value: object) -> None:
    assert canonical(decompressed(compressed(canonical(value), "a" * 64))) == canonical(value)
    assert comment_of(compressed(b"[]", "b" * 64)) == "b" * 64


SHARDS = st.dictionaries(st.integers(0, 255), st.lists(st.integers(), min_size=1), max_size=8)


@given(st.lists(SHARDS, min_size=1, max_size=3))
@example([{1: [1], 2: [2], 3: [3]}, {1: [1], 2: [20], 3: [3]}, {1: [1], 3: [3]}, {}])
def test_joined_blocks_are_split_again_and_are_one_list_though_some_changed(states: list[dict[int, list[int]]]) -> None:
    joiner = joined_gzip.Joiner()
    for shards in states:
        blocks = {
            shard: joined_gzip.Block.of(digest(bytes([shard])), ",".join(map(str, numbers)).encode())
            for shard, numbers in shards.items()
        }
        content = joiner.join(blocks)
        assert joined_gzip.split(content) == blocks
        assert json.loads(gzip.decompress(content)) == [number for shard in sorted(shards) for number in shards[shard]]


@pytest.mark.parametrize("spoil", [lambda block: block[:-4], lambda block: b"\xff" * len(block), lambda _: b"\3\0"])
def test_a_damaged_block_is_not_joined(spoil: Callable[[bytes], bytes]) -> None:
    joiner, good = joined_gzip.Joiner(), joined_gzip.Block.of("ab" * 32, b"1")
    joiner.join({1: good, 2: good})
    with pytest.raises(zlib.error):
        joiner.join({1: good, 2: joined_gzip.Block(good.name, spoil(good.content))})


@pytest.mark.parametrize(
    "correction",
    [
        {"to_study": "../escape"},
        {"to_series": "a*"},
        {"instances": ("1.2\\3",)},
        {"attributes": {"0020000D": {"vr": "UI", "Value": ["1.2"]}}},
        {"attributes": {"PatientName": None}},
        {"attributes": {"00100010": "Doe"}},
    ],
)
def test_an_impossible_correction_is_refused(correction: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        Correction("1.2.3", "why not", **correction)
