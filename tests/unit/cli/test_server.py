"""What goes wrong between the command and the server: a code that scripts can tell, and words that help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Command
from tests.unit.cli.server import FakeOrthanc, Reply

SYSTEM = {"ApiVersion": 27, "Version": "1.12.7"}
PLUGINS = ["explorer.js", "dicom-web", "python"]
SENTINEL = "/dicom-web/studies/0.0/series/0.0/instances/0.0/frames/1"
FORBIDDEN = {"HttpStatus": 403, "Message": 'only users in the setting "AdminUsers" may use this'}


@pytest.mark.parametrize(
    ("answers", "code", "words"),
    [
        ({}, 5, "is not an Orthanc"),
        ({"/system": SYSTEM}, 5, "without its Python plugin"),
        ({"/system": SYSTEM, "/plugins": ["dicom-web"]}, 5, "without its Python plugin"),
        ({"/system": SYSTEM, "/plugins": PLUGINS}, 5, '"Enable"'),
        ({"/system": SYSTEM, "/plugins": PLUGINS, SENTINEL: b"frame-cache"}, 5, '"AdminRoutes" is off'),
        (
            {
                "/system": SYSTEM,
                "/plugins": PLUGINS,
                "/plugins/dicom-web": {"RootUri": "../web/app/client/index.html"},
                SENTINEL.replace("dicom-web", "web"): b"frame-cache",
            },
            5,
            '"AdminRoutes" is off',
        ),
        ({"/frame-cache/status": {"Version": "0.0.9"}}, 5, "(version 0.0.9) has no route /frame-cache/jobs"),
        ({"/frame-cache/jobs": Reply({}, 401)}, 4, "FRAMECACHE_USER"),
        ({"/frame-cache/jobs": Reply(FORBIDDEN, 403)}, 4, "AdminUsers"),
        ({"/frame-cache/jobs": Reply({"HttpStatus": 404, "Message": "there is no such job"}, 404)}, 1, "no such job"),
        ({"/frame-cache/jobs": Reply({"HttpStatus": 503, "Message": "the queue is full"}, 503)}, 1, "queue is full"),
        ({"/frame-cache/jobs": Reply(b"<html>", 502)}, 1, "Bad Gateway (HTTP 502)"),
        ({"/frame-cache/jobs": b"<html>"}, 5, "not answer in JSON"),
        ({"/frame-cache/jobs": []}, 5, "is not as expected"),
        ({"/frame-cache/jobs": Reply(b"", 302, {"Location": "https://login.example/"})}, 2, "https://login.example/"),
    ],
)
def test_errors_say_what_to_do(
    orthanc: FakeOrthanc, command: Command, answers: dict[str, Any], code: int, words: str
) -> None:
    orthanc.answers.update(answers)
    done = command("jobs")
    assert (done.code, done.output) == (code, "")
    assert words in done.notices
    assert "Traceback" not in done.notices


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("http://127.0.0.1:1", 3, "cannot be reached (Connection refused)"),
        ("http://no-such-host.invalid", 3, "cannot be reached"),
        ("localhost:8042", 2, "is not an address such as"),
        ("ftp://localhost", 2, "is not an address such as"),
        ("http://", 2, "is not an address such as"),
        ("http://admin:secret@127.0.0.1:1", 2, "a password in --url is refused"),
    ],
)
def test_addresses_that_lead_nowhere(command: Command, url: str, code: int, words: str) -> None:
    done = command("status", "--url", url)
    assert done.code == code
    assert words in done.notices
    assert "secret" not in done.notices


def test_authorities_that_are_not_there_are_a_slip_of_the_pen(command: Command, tmp_path: Path) -> None:
    assert command("status", "--ca", str(tmp_path / "none.pem")).code == 2


@pytest.mark.parametrize("arguments", [("--url", "URL", "jobs"), ("jobs", "--url", "URL")])
def test_the_address_stands_before_the_command_or_behind_it(
    orthanc: FakeOrthanc, command: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("FRAMECACHE_URL", "http://127.0.0.1:1")
    orthanc.answers["/behind/proxy/frame-cache/jobs"] = {"Jobs": []}
    url = f"{orthanc.url}/behind/proxy/"
    assert command(*(url if one == "URL" else one for one in arguments)).code == 0


def test_the_login_comes_from_the_environment_as_utf_8(
    orthanc: FakeOrthanc, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    orthanc.answers["/frame-cache/jobs"] = {"Jobs": []}
    monkeypatch.setenv("FRAMECACHE_USER", "zoë")
    monkeypatch.setenv("FRAMECACHE_PASSWORD", "ü")
    assert command("jobs").code == 0
    assert orthanc.requests[0].headers["Authorization"] == "Basic em/DqzrDvA=="


def test_the_login_comes_from_netrc_else(
    orthanc: FakeOrthanc, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    orthanc.answers["/frame-cache/jobs"] = {"Jobs": []}
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login admin password a-password\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert command("jobs").code == 0
    assert orthanc.requests[0].headers["Authorization"] == "Basic YWRtaW46YS1wYXNzd29yZA=="


def test_half_a_login_is_refused(orthanc: FakeOrthanc, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMECACHE_USER", "admin")
    assert command("jobs").code == 2
    assert not orthanc.requests
