"""Routes under /frame-cache/: who may use them, and what changes something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dev.orthanc_server import OrthancServer
from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import CONFIGURATION, Archive, running

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=3, rows=64, columns=96)
UNKNOWN_ID = "00000000-00000000-00000000-00000000-00000000"
ACTION = {"X-Frame-Cache": "1"}
USERS = {"admin": "a-password", "doctor": "another"}


@pytest.fixture(scope="module")
def stored(archive: Archive) -> list[Instance]:
    """Two series of one study, and one of another."""
    variants = (SMALL, replace(SMALL, series_number=2), replace(SMALL, seed=1))
    return [archive.store(sample) for sample in variants]


def resource(archive: Archive, level: str, instance: Instance) -> str:
    """The path of the study, series or instance below /frame-cache/."""
    if level == "instances":
        return f"{level}/{instance.orthanc_id}"
    parent = archive.get_json(f"/instances/{instance.orthanc_id}/{'study' if level == 'studies' else level}")
    return f"{level}/{parent['ID']}"


def is_cached(archive: Archive, instance: Instance) -> bool:
    return bool(archive.progress(instance)["CachedFrames"])


@pytest.mark.parametrize(("level", "gone"), [("instances", 1), ("series", 1), ("studies", 2)])
def test_purge_drops_it_from_the_cache_and_leaves_it_in_orthanc(
    archive: Archive, stored: list[Instance], level: str, gone: int
) -> None:
    for instance in stored:
        archive.frames(instance, "1").raise_for_status()
        archive.wait_until_cached(instance)
    before = len(archive.cached_files())
    answer = archive.ask("POST", f"/frame-cache/{resource(archive, level, stored[0])}/purge", headers=ACTION)
    assert (answer.status_code, answer.json()["PurgedInstances"]) == (200, gone)
    assert [is_cached(archive, instance) for instance in stored] == [False] * gone + [True] * (3 - gone)
    assert len(archive.cached_files()) == before - gone
    for instance in stored[:gone]:
        assert archive.frames(instance, "1").headers["X-Frame-Cache"] == "miss"
        assert archive.parts(instance, "1,2,3") == archive.stock_parts(instance, "1,2,3")


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", ACTION, 405),
        ("PUT", ACTION, 405),
        ("DELETE", ACTION, 405),
        ("POST", {}, 403),
        ("POST", {"Content-Type": "text/plain", "Origin": "https://evil.example"}, 403),
        ("POST", {**ACTION, "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_nothing_is_purged_by_a_link_or_for_another_site(
    archive: Archive, stored: list[Instance], method: str, headers: dict[str, str], status: int
) -> None:
    kept = stored[-1]
    answer = archive.ask(method, f"/frame-cache/instances/{kept.orthanc_id}/purge", headers=headers)
    assert answer.status_code == status
    assert status != 403 or answer.json()["HttpStatus"] == 403
    assert is_cached(archive, kept)


def test_a_browser_s_question_before_another_site_s_request_is_not_answered_with_yes(archive: Archive) -> None:
    """The preflight: without this answer it never sends the header (https://fetch.spec.whatwg.org)."""
    asked = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-frame-cache",
    }
    answer = archive.ask("OPTIONS", f"/frame-cache/instances/{UNKNOWN_ID}/purge", headers=asked)
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("level", ["studies", "series", "instances"])
@pytest.mark.parametrize("orthanc_id", [UNKNOWN_ID, "x", "..%2F..%2Fsystem", "%00", "1" * 5000])
def test_what_is_not_there_is_404_in_json(archive: Archive, level: str, orthanc_id: str) -> None:
    answer = archive.ask("POST", f"/frame-cache/{level}/{orthanc_id}/purge", headers=ACTION)
    # Orthanc's paths end with their first %00: this one is that of the list, which is only told.
    assert answer.status_code == (405 if (level, orthanc_id) == ("studies", "%00") else 404)


@pytest.mark.parametrize("deep", [b"[" * 5000, b'{"Days":' * 5000, b'{"Rules": "%s"}' % (b"[" * 5000)])
def test_a_body_that_is_nested_deeply_is_refused_and_ends_no_server(archive: Archive, deep: bytes) -> None:
    """Python 3.13 reads JSON on as much stack as it takes, and an HTTP thread has 100 kB."""
    assert archive.ask("POST", "/frame-cache/rules/preview", data=deep, headers=ACTION).status_code == 400
    assert archive.status()["Serving"]


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("app", "text/html; charset=utf-8"),
        ("app/", "text/html; charset=utf-8"),
        ("app/page.js", "text/javascript; charset=utf-8"),
        ("app/style.css", "text/css; charset=utf-8"),
        ("app/icon.svg", "image/svg+xml"),
    ],
)
def test_the_page_is_sent_with_its_policy_and_not_twice(archive: Archive, path: str, content_type: str) -> None:
    answer = archive.get(f"/frame-cache/{path}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)
    assert "script-src 'self';" in answer.headers["Content-Security-Policy"]
    again = archive.get(f"/frame-cache/{path}", if_none_match=answer.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["app/%2e%2e/main.py", "app/../../main.py", "app/page.js/x", "app//etc/passwd"])
def test_no_other_file_can_be_had(archive: Archive, path: str) -> None:
    assert archive.get(f"/frame-cache/{path}").status_code == 404


def test_orthanc_explorer_gets_our_buttons(archive: Archive) -> None:
    assert "../frame-cache/app/index.html" in archive.get("/plugins/explorer.js").text


@pytest.fixture(scope="module")
def guarded(suite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Only `admin` may use the admin routes."""
    folder = tmp_path_factory.mktemp(suite)
    configuration = {
        "AuthenticationEnabled": True,
        "RegisteredUsers": USERS,
        "FrameCache": {"AdminUsers": ["admin", "stranger"]},
    }
    with running(suite, folder, configuration, credentials=("admin", USERS["admin"]), in_order=False) as archive:
        yield archive


def test_named_users_only(guarded: Archive) -> None:
    instance = guarded.store(SMALL)
    doctor = Archive(guarded.server, ("doctor", USERS["doctor"]))
    others = [
        Archive(guarded.server),
        Archive(guarded.server, ("admin", "wrong")),
        Archive(guarded.server, ("stranger", "")),
    ]
    purge = f"/frame-cache/instances/{instance.orthanc_id}/purge"
    for path, method in (
        ("/frame-cache/status", "GET"),
        (f"/frame-cache/instances/{instance.orthanc_id}", "GET"),
        ("/frame-cache/app/", "GET"),
        ("/frame-cache/app/page.js", "GET"),
        (purge, "POST"),
    ):
        asked = [one.ask(method, path, headers=ACTION).status_code for one in (*others, doctor, guarded)]
        assert asked == [401, 401, 401, 403, 200], path
    assert doctor.frames(instance, "1").status_code == 200
    assert "AdminUsers" not in guarded.advice()


def test_switched_off_there_is_nothing_below_frame_cache(suite: str, tmp_path: Path) -> None:
    configuration = {**CONFIGURATION, "FrameCache": {"AdminRoutes": False}}
    with OrthancServer(suite, tmp_path, configuration) as server:
        archive = Archive(server)
        instance = archive.store(SMALL, cached=False)
        assert archive.frames(instance, "1").headers["X-Frame-Cache"] in ("hit", "miss")
        for method, path in (
            ("GET", "status"),
            ("GET", "app/"),
            ("GET", f"instances/{instance.orthanc_id}"),
            ("POST", f"instances/{instance.orthanc_id}/purge"),
        ):
            assert archive.ask(method, f"/frame-cache/{path}", headers=ACTION).status_code == 404
        server.kill()
