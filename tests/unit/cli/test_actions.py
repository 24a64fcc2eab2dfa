"""What is done to studies, series and instances, and how they are named."""

from __future__ import annotations

import pytest

from tests.unit.cli.conftest import Command
from tests.unit.cli.server import FakeOrthanc, Reply
from tests.unit.fakes import orthanc_id

STUDY, SERIES, OTHER = map(orthanc_id, (1, 2, 3))
UID = "1.2.840.113619.2.1"


@pytest.fixture
def stored(orthanc: FakeOrthanc) -> FakeOrthanc:
    """A study and a series of it, which can be purged and pinned."""
    found = [{"ID": OTHER, "Type": "Patient"}, {"ID": STUDY, "Type": "Study"}]
    orthanc.answers.update(
        {
            f"/studies/{STUDY}": {"ID": STUDY},
            f"/series/{SERIES}": {"ID": SERIES},
            "/tools/lookup": lambda request: found if request.body == UID.encode() else [],
        }
    )
    for path in (f"studies/{STUDY}", f"series/{SERIES}"):
        purged = {"ID": path.partition("/")[2], "Instances": 2, "PurgedInstances": 1}
        orthanc.answers[f"POST /frame-cache/{path}/purge"] = purged
    orthanc.answers[f"POST /frame-cache/studies/{STUDY}/pin"] = {"ID": STUDY, "Pinned": True}
    orthanc.answers[f"POST /frame-cache/studies/{STUDY}/unpin"] = {"ID": STUDY, "Pinned": False}
    return orthanc


@pytest.mark.parametrize(
    ("action", "names", "asked"),
    [
        ("purge", [STUDY], [f"studies/{STUDY}"]),
        ("purge", [UID, SERIES], [f"studies/{STUDY}", f"series/{SERIES}"]),
        ("pin", [UID], [f"studies/{STUDY}"]),
        ("unpin", [STUDY], [f"studies/{STUDY}"]),
    ],
)
def test_resources_are_named_by_orthanc_id_or_uid(
    stored: FakeOrthanc, command: Command, action: str, names: list[str], asked: list[str]
) -> None:
    done = command(action, *names, *(["--yes"] if action == "purge" else []), "--json")
    assert done.code == 0
    assert [answer["ID"] for answer in done.json] == [path.partition("/")[2] for path in asked]
    acted = [request for request in stored.requests if request.path.endswith(action)]
    assert [request.path for request in acted] == [f"/frame-cache/{path}/{action}" for path in asked]
    assert all(request.headers["X-Frame-Cache"] == "1" for request in acted)


@pytest.mark.parametrize(
    ("action", "name", "code"),
    [
        ("pin", OTHER, 1),
        ("pin", SERIES, 1),
        ("purge", "1.2.3", 1),
        ("purge", "Doe^John", 2),
        ("purge", "../../tools/reset", 2),
        ("purge", "1." * 32 + "1", 2),
    ],
)
def test_one_wrong_name_changes_nothing(
    stored: FakeOrthanc, command: Command, action: str, name: str, code: int
) -> None:
    done = command(action, STUDY, name, *(["--yes"] if action == "purge" else []))
    assert (done.code, done.output) == (code, "")
    assert name in done.notices
    assert [path for path in stored.changes if path.startswith("/frame-cache")] == []


def test_a_uid_of_two_studies_is_not_guessed(stored: FakeOrthanc, command: Command) -> None:
    both = [{"ID": STUDY, "Type": "Study"}, {"ID": OTHER, "Type": "Study"}]
    stored.answers["/tools/lookup"] = both
    done = command("pin", UID)
    assert done.code == 1
    assert STUDY in done.notices
    assert OTHER in done.notices


@pytest.mark.parametrize(("said", "code", "purged"), [("y\n", 0, 1), ("Yes\n", 0, 1), ("n\n", 1, 0), ("", 1, 0)])
def test_purge_asks_first(
    stored: FakeOrthanc, command: Command, monkeypatch: pytest.MonkeyPatch, said: str, code: int, purged: int
) -> None:
    monkeypatch.setattr("sys.stdin", _Terminal(said))
    done = command("purge", STUDY)
    assert done.code == code
    assert "Continue?" in done.notices
    assert len(stored.changes) == purged


def test_purge_without_a_terminal_wants_a_yes(
    stored: FakeOrthanc, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", _Terminal("y\n", is_terminal=False))
    assert command("purge", STUDY).code == 2
    assert stored.changes == []


def test_what_the_server_refuses_is_told(stored: FakeOrthanc, command: Command) -> None:
    stored.answers[f"POST /frame-cache/studies/{STUDY}/pin"] = Reply({"HttpStatus": 500, "Message": "no"}, 500)
    done = command("pin", STUDY)
    assert (done.code, done.output) == (1, "")
    assert "the server answers: no" in done.notices


class _Terminal:
    """A standard input at which somebody types."""

    def __init__(self, said: str, *, is_terminal: bool = True) -> None:
        self._said, self._is_terminal = said, is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def readline(self) -> str:
        return self._said
