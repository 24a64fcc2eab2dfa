"""The command `framecache` against a real Orthanc with a login, and every example of its page."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from string import Template
from typing import Any

import pytest
import requests
from framecache.cli.main import main
from framecache.cli.server import Server

from dev.console import CHECKOUT
from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import Archive, running
from tests.unit.cli.server import unknown

pytestmark = pytest.mark.orthanc

PAGE = (CHECKOUT / "docs/command-line.md").read_text()
EXAMPLES = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
USERS = {"admin": "a-password", "doctor": "another"}
SMALL = Sample(frames=12, rows=64, columns=96)


@pytest.fixture(scope="module")
def archive(suite: str, folder: Path) -> Iterator[Archive]:
    """Only `admin` may use the admin routes."""
    configuration = {
        "AuthenticationEnabled": True,
        "RegisteredUsers": USERS,
        "FrameCache": {"AdminUsers": ["admin"]},
    }
    login = ("admin", USERS["admin"])
    with running(suite, folder / "orthanc", configuration, credentials=login, in_order=False) as archive:
        yield archive


@pytest.fixture(scope="module")
def stored(archive: Archive) -> list[Instance]:
    """A study with two series, and another study; all cached."""
    return [archive.store(sample) for sample in (SMALL, replace(SMALL, series_number=2), replace(SMALL, seed=1))]


class Command:
    """The command line, with the login of `user`."""

    def __init__(self, archive: Archive, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self._capsys, self._patch = capsys, patch
        self._patch.setenv("FRAMECACHE_URL", archive.server.url)
        self._patch.setenv("NETRC", os.devnull)
        self.login("admin", USERS["admin"])

    def login(self, user: str, password: str) -> None:
        self._patch.setenv("FRAMECACHE_USER", user)
        self._patch.setenv("FRAMECACHE_PASSWORD", password)

    def __call__(self, *argv: str, code: int = 0) -> str:
        """What it wrote, after seeing that it ended with `code`."""
        ended, said = main(argv), self._capsys.readouterr()
        assert ended == code, (argv, said)
        return said.out if code != 4 else said.err

    def json(self, *argv: str, code: int = 0) -> Any:
        return json.loads(self(*argv, "--json", code=code))


@pytest.fixture
def command(archive: Archive, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(archive, capsys, monkeypatch)


def test_what_is_purged_can_be_warmed_verified_and_pinned(
    archive: Archive, stored: list[Instance], command: Command
) -> None:
    study, one = stored[0].study_instance_uid, stored[0]
    assert command.json("purge", study, "--yes")[0]["PurgedInstances"] == 2
    assert archive.progress(one)["CachedFrames"] == 0
    (warmed,) = command.json("warm", study)
    assert (warmed["State"], warmed["Done"], warmed["Total"]) == ("done", 2, 2)
    assert command.json("pin", study)[0]["Pinned"] is True
    told = command.json("studies", study)
    assert (told["CachedFrames"], told["Frames"], told["Pinned"]) == (24, 24, True)
    assert command.json("unpin", study)[0]["Pinned"] is False
    assert command.json("verify", study, one.orthanc_id)[0]["State"] == "done"
    assert command.json("jobs", "cancel", warmed["ID"])[0]["State"] == "done"
    assert len(command.json("jobs")["Jobs"]) >= 3


def test_verify_finds_what_was_damaged(archive: Archive, stored: list[Instance], command: Command) -> None:
    known = archive.cached_files()
    command("purge", stored[2].orthanc_id, "--yes")
    command("warm", stored[2].orthanc_id)
    damaged = min(archive.cached_files() - known)
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (job,) = command.json("verify", stored[2].orthanc_id, code=1)
    assert job["Result"]["Damaged"] == 1
    assert archive.frames(stored[2], "1").status_code == 200
    command("warm", stored[2].orthanc_id)


def test_events_tell_what_was_done(stored: list[Instance], command: Command) -> None:
    before = max([json.loads(line)["Sequence"] for line in command("events", "--json").splitlines()], default=0)
    command("pin", stored[0].study_instance_uid)
    command("unpin", stored[0].study_instance_uid)
    lines = command("events", "--since", str(before), "--json").splitlines()
    assert [json.loads(line)["Kind"] for line in lines] == ["pinned", "unpinned"]


def test_size_counts_what_arrived(stored: list[Instance], command: Command) -> None:
    told = command.json("size")
    pixels = 64 * 96 * 2 * 12 * len(stored)
    assert told["LookedAt"]["OfInstances"] == told["LookedAt"]["CachedSeries"] == len(stored)
    assert told["PerDay"]["Bytes"] == pytest.approx(pixels, rel=0.01)
    assert told["Present"]["MaximumSizeMB"] == 20480


def test_bench_compares_frames_that_both_routes_answer(stored: list[Instance], command: Command) -> None:
    """Beyond the ninth frame, too: Orthanc reads 010 as 10."""
    told = command.json("bench", stored[0].study_instance_uid, "--seconds", "0.4", "--connections", "2")
    assert (told["Frames"], told["Cache"]["Hits"]) == (24, told["Cache"]["Answers"])
    assert told["Stock"]["Errors"] == told["Stock"]["Hits"] == 0
    assert min(told["Stock"]["Answers"], told["Cache"]["Answers"]) >= 24


@pytest.mark.parametrize(
    ("login", "words"),
    [
        (("nobody", ""), "does not accept this login"),
        (("admin", "wrong"), "does not accept this login"),
        (("doctor", USERS["doctor"]), "AdminUsers"),
    ],
)
def test_who_may_not_is_told_why(command: Command, login: tuple[str, str], words: str) -> None:
    command.login(*login)
    assert words in command("status", code=4)


def test_the_fake_of_the_unit_tests_answers_as_orthanc_does(archive: Archive) -> None:
    told = archive.get("/frame-cache/nothing")
    assert (told.status_code, told.json()) == (404, unknown("/frame-cache/nothing"))


def test_a_plugin_without_admin_routes_would_be_known_by_its_frame_routes(archive: Archive) -> None:
    session = requests.Session()
    session.auth = ("admin", USERS["admin"])
    server = Server(archive.server.url, session)
    assert server.dicom_web_root() == "dicom-web/"
    assert server.is_serving_frames()


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_of_the_page_does_what_it_shows(stored: list[Instance], command: Command, example: str) -> None:
    """A line with a $ is typed; of those below it, each first word is in the answer."""
    values = {"STUDY": stored[0].study_instance_uid, "INSTANCE": stored[0].orthanc_id}
    for typed, shown in re.findall(r"^\$ framecache (.*)\n((?:(?!\$ ).*\n)*)", example, re.MULTILINE):
        answer = command(*shlex.split(Template(typed).substitute(values)))
        for line in filter(str.strip, shown.splitlines()):
            assert line.split()[0] in answer, (typed, line, answer)


def test_it_runs_as_a_module_too(archive: Archive) -> None:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "plugin"), "FRAMECACHE_URL": archive.server.url}
    done = subprocess.run(
        [sys.executable, "-m", "framecache", "status"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 4
    assert "FRAMECACHE_USER" in done.stderr
