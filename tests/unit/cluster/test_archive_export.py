"""The export adds each stored file of the version that a piece is about, from the nearest place that has it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from framecache.cluster.archive_export import ArchiveExport
from framecache.cluster.archive_rules import ArchiveRules
from framecache.cluster.piece import NotHere, Piece, Unfit
from framecache.cluster.stored_sources import StoredSources
from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.identity import InstancePath
from framecache.errors import NotFound, SourceError
from framecache.orthanc.instance import Instance
from framecache.orthanc.instance_index import InstanceIndex
from framecache.tree.tree import Tree

from tests.unit.dicom_files import INSTANCE, SERIES, STUDY, native
from tests.unit.fakes import FakeApi, FakeClock, orthanc_id, uuid

PATH = InstancePath(STUDY, SERIES, INSTANCE)


class Bench:
    """One Orthanc with one instance, and an archive; `storage` is where a worker sees Orthanc's files."""

    def __init__(self, folder: Path, *, sees_storage: bool = True) -> None:
        self.api = FakeApi(folder / "db")
        self.tree = Tree.open(f"file://{folder}/archive")
        sources = StoredSources(self.api, folder / "db" if sees_storage else None)
        self.export = ArchiveExport(self.api, self.tree, sources, time)
        self.content = native(bytes(72))
        self.api.store(self.content, orthanc_id=orthanc_id(1), uuid=uuid(1), path=PATH, number_of_frames=3)

    @property
    def piece(self) -> Piece:
        return Piece(orthanc_id(1), uuid(1), len(self.content), "archive", STUDY)


@pytest.fixture(params=[True, False], ids=["from the folder", "from Orthanc"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, sees_storage=request.param)
    yield made
    made.tree.close()


def test_a_piece_is_added_and_its_study_shown_when_it_is_settled(bench: Bench) -> None:
    assert bench.export.do(bench.piece) == len(bench.content)
    assert bytes(bench.tree.frame(PATH, 1)) == bytes(24)
    assert bench.tree.studies() == []
    bench.export.settle(STUDY)
    assert len(bench.tree.studies()) == 1


def test_a_piece_that_is_done_twice_leaves_the_archive_as_it_is(bench: Bench) -> None:
    bench.export.do(bench.piece)
    before = {listed.key for listed in bench.tree.objects.listed("")}
    assert bench.export.do(bench.piece) == len(bench.content)
    assert {listed.key for listed in bench.tree.objects.listed("")} == before


def test_a_version_that_was_replaced_or_deleted_is_no_work(bench: Bench) -> None:
    bench.api.store(native(bytes(72)), orthanc_id=orthanc_id(1), uuid=uuid(2), path=PATH, number_of_frames=3)
    assert bench.export.do(bench.piece) == 0
    bench.api.delete(orthanc_id(1))
    assert bench.export.do(bench.piece) == 0


def test_what_is_no_dicom_file_is_tried_once(bench: Bench) -> None:
    bench.api.store(bytes(900), orthanc_id=orthanc_id(2), uuid=uuid(2), path=InstancePath(STUDY, SERIES, "1.2.9"))
    with pytest.raises(Unfit):
        bench.export.do(Piece(orthanc_id(2), uuid(2), 900, "archive", STUDY))


def test_what_was_deleted_while_it_was_read_is_no_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, sees_storage=False)

    def deleted(instance: Instance) -> bytes:
        bench.api.delete(instance.orthanc_id)
        raise NotFound("Orthanc has no such instance")

    monkeypatch.setattr(InstanceIndex, "file", lambda _, instance: deleted(instance))
    assert bench.export.do(bench.piece) == 0
    bench.tree.close()


def test_what_cannot_be_read_for_a_while_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> ByteReader:
        raise SourceError("no Orthanc can be reached")

    with monkeypatch.context() as patch:
        patch.setattr(StoredSources, "_open", failing)
        with pytest.raises(SourceError, match="no Orthanc"):
            bench.export.do(bench.piece)
    assert bench.export.do(bench.piece) == len(bench.content)


class Node:
    """What a node tells of its settings."""

    def __init__(self, status: Any) -> None:
        self.status, self.asked = status, 0

    def get(self, uri: str) -> bytes:
        assert uri == "/frame-cache/status"
        self.asked += 1
        if self.status is None:
            raise NotFound("Orthanc has no /frame-cache/status")
        return json.dumps(self.status).encode()

    def post(self, uri: str, body: bytes) -> bytes:
        raise AssertionError((uri, body))


ONLY_CT: list[dict[str, object]] = [{"Modality": "CT", "Archive": "arrival"}]
NOT_MG: list[dict[str, object]] = [{"Modality": "MG", "Archive": "never"}]
ON_DEMAND: list[dict[str, object]] = [{"Modality": "MG", "Archive": "demand"}]


@pytest.mark.parametrize(
    ("usually", "rules", "modality", "is_exported"),
    [
        ("arrival", [], "MG", True),
        ("arrival", NOT_MG, "MG", False),
        ("arrival", NOT_MG, "CT", True),
        ("arrival", ON_DEMAND, "MG", False),
        ("never", ONLY_CT, "CT", True),
        ("never", ONLY_CT, "MG", False),
        ("demand", [], "MG", False),
    ],
)
def test_the_export_follows_the_rules_of_arrival(
    tmp_path: Path,
    usually: str,
    rules: list[dict[str, object]],
    modality: str,
    is_exported: bool,  # noqa: FBT001
) -> None:
    bench = Bench(tmp_path)
    node = Node({"Settings": {"ArchiveWrite": usually, "Rules": rules}})
    bench.api.store(
        bench.content,
        orthanc_id=orthanc_id(1),
        uuid=uuid(1),
        path=PATH,
        number_of_frames=3,
        tags={"Modality": modality},
    )
    sources = StoredSources(bench.api, tmp_path / "db")
    export = ArchiveExport(bench.api, bench.tree, sources, time, ArchiveRules(node, FakeClock()))
    assert bool(export.do(bench.piece)) == is_exported
    assert bool(export.do(bench.piece)) == is_exported
    assert node.asked == 1
    bench.tree.close()


@pytest.mark.parametrize("status", [None, {}, {"Settings": {"ArchiveWrite": "often", "Rules": []}}, []])
def test_rules_that_nobody_tells_are_not_taken_for_none(bench: Bench, status: Any) -> None:
    sources = StoredSources(bench.api)
    export = ArchiveExport(bench.api, bench.tree, sources, time, ArchiveRules(Node(status), FakeClock()))
    with pytest.raises(SourceError, match="rules"):
        export.plan("")
    with pytest.raises(NotHere, match="rules"):
        export.do(bench.piece)
