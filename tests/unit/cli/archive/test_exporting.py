"""`framecache archive export`, from a server that answers as Orthanc does."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from framecache.tree.source import Source
from framecache.tree.tree import Tree

from tests.unit.cli.conftest import Command
from tests.unit.cli.server import FakeOrthanc, Reply, Request
from tests.unit.dicom_files import INSTANCE, STUDY, native

CONTENT = native(bytes(72))


@pytest.fixture
def stored(orthanc: FakeOrthanc) -> FakeOrthanc:
    """One study with one instance."""
    md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    attachment = {"ContentType": 1, "Uuid": "the-uuid", "UncompressedMD5": md5}
    study = {"MainDicomTags": {"StudyInstanceUID": STUDY}, "Metadata": {"LastUpdate": "20200101T000000"}}
    found = {"Study": study, "Instance": {"ID": INSTANCE, "Attachments": [attachment]}}

    def find(request: Request) -> list[Any]:
        question = json.loads(request.body)
        return [found[question["Level"]]] if question["Since"] == 0 else []

    orthanc.answers["/tools/find"] = find
    orthanc.answers[f"/instances/{INSTANCE}/file"] = Reply(CONTENT)
    return orthanc


def downloads(orthanc: FakeOrthanc) -> int:
    return sum(request.path.endswith("/file") for request in orthanc.requests)


def test_an_export_downloads_only_what_the_archive_lacks(stored: FakeOrthanc, tmp_path: Path, command: Command) -> None:
    first = command("archive", "export", "--to", str(tmp_path / "archive"), "--json").json
    again = command("archive", "export", "--to", str(tmp_path / "archive"), "--json").json
    assert (first["Added"], again["Added"], again["Unchanged"]) == (1, 0, 1)
    assert downloads(stored) == 1


def test_an_export_shows_what_one_that_was_broken_off_has_written(
    stored: FakeOrthanc, tmp_path: Path, command: Command
) -> None:
    with Tree.open((tmp_path / "archive").as_uri()) as tree:
        list(tree.add([Source("earlier", Source.content(CONTENT).open, "the-uuid")], derive=False))
        assert tree.studies() == []
        done = command("archive", "export", "--to", str(tmp_path / "archive"), "--json").json
        assert (done["Unchanged"], downloads(stored), len(tree.studies())) == (1, 0, 1)


@pytest.mark.parametrize(("chosen", "added"), [(("--last", "4w"), 0), (("--older", "1y"), 1), (("--older", "90y"), 0)])
def test_studies_are_chosen_by_their_last_change(
    stored: FakeOrthanc, tmp_path: Path, command: Command, chosen: tuple[str, ...], added: int
) -> None:
    done = command("archive", "export", *chosen, "--to", str(tmp_path / "archive"), "--json")
    assert (done.json["Added"], downloads(stored)) == (added, added)


@pytest.mark.parametrize("broken", [Reply(CONTENT[:-1]), Reply(b"", 404)])
def test_what_was_replaced_or_deleted_meanwhile_is_skipped(
    stored: FakeOrthanc, tmp_path: Path, command: Command, broken: Reply
) -> None:
    stored.answers[f"/instances/{INSTANCE}/file"] = broken
    done = command("archive", "export", "--to", str(tmp_path / "archive"))
    assert (done.code, "meanwhile" in done.notices) == (1, True)


def test_htj2k_is_added_to_what_is_exported_and_to_what_was_without_downloading_more(
    stored: FakeOrthanc, tmp_path: Path, command: Command
) -> None:
    to = ("--to", str(tmp_path / "archive"), "--json")
    assert "HTJ2K" not in command("archive", "export", *to).json
    later = command("archive", "export", "--htj2k", *to).json
    assert (later["Unchanged"], later["HTJ2K"], downloads(stored)) == (1, 1, 2)
    again = command("archive", "export", "--htj2k", *to).json
    assert (again["Unchanged"], "HTJ2K" in again, downloads(stored)) == (1, False, 2)

    fresh = command("archive", "export", "--htj2k", "--to", str(tmp_path / "another"), "--json").json
    assert (fresh["Added"], fresh["HTJ2K"]) == (1, 1)


def test_an_instance_without_a_file_is_skipped_with_a_reason(
    stored: FakeOrthanc, tmp_path: Path, command: Command
) -> None:
    find = stored.answers["/tools/find"]
    assert callable(find)

    def without_files(request: Request) -> list[Any]:
        return [{**one, "Attachments": []} for one in find(request)]

    stored.answers["/tools/find"] = without_files
    done = command("archive", "export", "--to", str(tmp_path / "archive"))
    assert (done.code, "keeps no file" in done.notices) == (1, True)
