"""An archive is read by docs/archive-format.md alone: here is a reader that was written from it."""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
import xxhash
from framecache.tree.changes import Correction
from framecache.tree.tree import Tree

from tests.unit.dicom_files import INSTANCE, SERIES, STUDY
from tests.unit.tree.places import FRAME, Place, add, contents, file, instance

Objects = dict[str, bytes]
Key = tuple[str, str]
BOUNDARY = b"--frame-d3c1c4c07f2b4a0f9c5e"


def named(uid: str) -> str:
    """Names."""
    is_fit = re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}", uid) and re.search("[0-9]", uid)
    return uid if is_fit else "_" + hashlib.sha256(uid.encode()).hexdigest()[:40]


def read(objects: Objects, prefix: str) -> dict[str, Any]:
    """Entries."""
    found = {}
    for key, content in objects.items():
        if key.startswith(prefix):
            text = gzip.decompress(content)
            assert hashlib.sha256(text).hexdigest() == key.rpartition("/")[2]
            found[key.rpartition("/")[2]] = json.loads(text)
    return found


def live(objects: Objects, study: str) -> dict[Key, Any]:
    """What is current, 1 and 2."""
    best: dict[Key, Any] = {}
    dead: dict[Key, int] = {}
    for one in read(objects, f"log/{named(study)}/").values():
        for record in one.get("records", ()):
            metadata = {**one.get("shared", {}).get(record.get("shared"), {}), **record["metadata"]}
            key, found = (one["series"], record["instance"]), {**record, "metadata": metadata, "home": one}
            rank = (record["version"], record["source"]["sha256"])
            if key not in best or (best[key]["version"], best[key]["source"]["sha256"]) < rank:
                best[key] = found
        for ended in one.get("instances", ()) if one["kind"] == "deletion" else ():
            key = (ended["series"], ended["instance"])
            dead[key] = max(dead.get(key, 0), ended["version"])
    return {key: record for key, record in best.items() if record["version"] > dead.get(key, 0)}


def shown(objects: Objects, study: str) -> dict[Key, Any]:
    """What is current, 3 to 5."""
    changes = read(objects, f"log/{named(study)}/changes/")
    found: dict[Key, Any] = {}
    for home in {study, *(change["study"] for change in changes.values())}:
        own = read(objects, f"log/{named(home)}/changes/")
        retracted = {change["correction"] for change in own.values() if change["kind"] == "retraction"}
        corrections = [
            (change["sequence"], name, change)
            for name, change in own.items()
            if change["kind"] == "correction" and change["study"] == home and name not in retracted
        ]
        for (series, sop), record in live(objects, home).items():
            at_study, at_series, metadata = home, series, dict(record["metadata"])
            for _, _, change in sorted(corrections, key=lambda one: one[:2]):
                if change["series"] in ("", series) and (not change["instances"] or sop in change["instances"]):
                    at_study, at_series = change["toStudy"] or at_study, change["toSeries"] or at_series
                    metadata |= change["attributes"]
            if at_study == study:
                shown_with = {tag: element for tag, element in metadata.items() if element is not None}
                found[at_series, sop] = {**record, "metadata": shown_with}
    return found


def frame(objects: Objects, record: Any, number: int) -> bytes:
    """Frames, and where a frame lies."""
    sha256, home = record["source"]["sha256"], record["home"]
    if record["frames"].get("together"):
        table = objects[f"versions/{sha256}/table"]
        offset, length, checksum, _ = struct.unpack_from("<QQQQ", table, 32 * (number - 1))
        content = objects[f"versions/{sha256}/all"][offset : offset + length]
        assert xxhash.xxh3_64_intdigest(content) == checksum
        return content
    place = f"studies/{named(home['study'])}/series/{named(home['series'])}/instances/{named(record['instance'])}"
    for key in (f"{place}/frames/{number}", f"versions/{sha256}/{number}"):
        part = objects.get(key, b"")
        content = part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n" + BOUNDARY + b"--\r\n")
        if xxhash.xxh3_64_hexdigest(content) == record["frames"]["checksums"][number - 1]:
            assert part.startswith(BOUNDARY + b"\r\nContent-Type: application/octet-stream; transfer-syntax=1.2.840")
            return content
    raise AssertionError("the frame is nowhere")


def fill(tree: Tree) -> None:
    add(tree, file(0), file(10, instance(2)), file(20, instance(3)))
    add(tree, file(30, instance(4)), together_from=3)
    add(tree, file(100))
    tree.delete(STUDY, SERIES, instance(2).sop_instance_uid, reason="too old")
    name = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Right"}]}, "00280008": None}
    tree.correct(Correction(STUDY, "misspelt", attributes=name))
    tree.correct(Correction(STUDY, "split", SERIES, (instance(3).sop_instance_uid,), to_study="an odd: uid"))
    taken_back = tree.correct(Correction(STUDY, "a mistake", to_series="6.6"))
    tree.retract(STUDY, taken_back, reason="it was one")


def test_an_archive_is_read_by_its_document(place: Place) -> None:
    with place.open() as tree:
        fill(tree)
        objects = contents(tree)
        ours = {study: tree.derivation.view(named(study)).shown for study in (STUDY, "an odd: uid")}
    assert json.loads(objects["archive.json"]) == {"format": "framecache-archive", "version": 1}

    found = shown(objects, STUDY)
    assert {sop for _, sop in found} == {INSTANCE, instance(4).sop_instance_uid}
    assert [frame(objects, found[SERIES, INSTANCE], number)[0] for number in (1, 2, 3)] == [100, 101, 102]
    assert frame(objects, found[SERIES, instance(4).sop_instance_uid], 2) == b"\x1f" * FRAME
    moved = shown(objects, "an odd: uid")
    assert frame(objects, moved[SERIES, instance(3).sop_instance_uid], 3)[0] == 22
    for study, instances in ours.items():
        theirs = shown(objects, study)
        assert {(one.path.series_instance_uid, one.path.sop_instance_uid) for one in instances} == {*theirs}
        for record in theirs.values():
            assert record["metadata"]["00100010"]["Value"] == [{"Alphabetic": "Right"}]
            assert "00280008" not in record["metadata"]


def test_the_web_view_is_found_by_the_document(place: Place) -> None:
    with place.open() as tree:
        fill(tree)
        objects, is_folder = contents(tree), tree.objects.is_folder
    names = {"studies", f"studies/{STUDY}", f"studies/{STUDY}/series", f"studies/{STUDY}/series/{SERIES}/instances"}
    keys = {f"{name}/index.json.gz" if is_folder else name for name in names}
    keys.add(f"studies/{STUDY}/series/{SERIES}/metadata{'.gz' if is_folder else ''}")
    answers = {key: json.loads(gzip.decompress(objects[key])) for key in keys}
    assert sorted(len(answer) for answer in answers.values()) == [1, 1, 2, 2, 2]
    # The comment of a derived file is the digest of what it was made of.
    logs = sorted(key.removeprefix("log/") for key in objects if key.startswith(f"log/{STUDY}/"))
    made_of = hashlib.sha256("\n".join(logs).encode()).hexdigest()
    [study] = [key for key in keys if key.removesuffix("/index.json.gz") == f"studies/{STUDY}"]
    assert objects[study][10:74] == made_of.encode()
    assert all(objects[key][10:74] == made_of.encode() for key in keys if key.startswith(f"studies/{STUDY}"))


def test_this_reader_knows_nothing_but_the_document() -> None:
    """Its functions use no name that was imported from the package."""
    tree = ast.parse(Path(__file__).read_text())
    imported = {
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("framecache")
        for alias in node.names
    }
    readers = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in READER]
    used = {node.id for reader in readers for node in ast.walk(reader) if isinstance(node, ast.Name)}
    assert len(readers) == len(READER)
    assert used & imported == set()


READER = ("named", "read", "live", "shown", "frame")


@pytest.mark.parametrize(
    ("uid", "name"),
    [
        ("1.2.840.10008", "1.2.840.10008"),
        ("A1-b_2.c", "A1-b_2.c"),
        ("changes", "_" + hashlib.sha256(b"changes").hexdigest()[:40]),
        ("..", "_" + hashlib.sha256(b"..").hexdigest()[:40]),
        (".1", "_" + hashlib.sha256(b".1").hexdigest()[:40]),
        ("1/2", "_" + hashlib.sha256(b"1/2").hexdigest()[:40]),
        ("1" * 65, "_" + hashlib.sha256(b"1" * 65).hexdigest()[:40]),
    ],
)
def test_names_are_as_the_document_says(uid: str, name: str) -> None:
    assert named(uid) == name
