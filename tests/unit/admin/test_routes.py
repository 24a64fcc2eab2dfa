"""Routes under /frame-cache/: JSON, errors too, and nothing changes by GET or for another site."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from framecache.admin.area import Answer, Asked, Content
from framecache.admin.routes import Access, ActionRoute, JsonRoute
from framecache.declaration import Declaration, Number
from framecache.errors import NotFound

from tests.unit.fakes import FakeOutput

HEADER = {"x-frame-cache": "1"}


def ask(
    kind: type[JsonRoute],
    answer: Answer,
    method: str = "GET",
    headers: Mapping[str, str] = HEADER,
    access: Access | None = None,
    groups: tuple[str, ...] = (),
) -> FakeOutput:
    output = FakeOutput()
    route = kind(answer, access or Access((), {}))
    route(output, "/frame-cache/…", method=method, groups=list(groups), headers=headers, get={})
    return output


@pytest.mark.parametrize(("kind", "method"), [(JsonRoute, "GET"), (ActionRoute, "POST")])
def test_an_answer_is_json_and_errors_too(kind: type[JsonRoute], method: str) -> None:
    def refuse(name: str) -> Mapping[str, Any]:
        raise NotFound(f"no {name}")

    def fail() -> Mapping[str, Any]:
        raise KeyError("secret")

    assert json.loads(ask(kind, lambda: {"a": 1}, method).body) == {"a": 1}
    assert ask(kind, dict, method).content_type == "application/json"
    assert ask(kind, dict, method).headers == {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    refused = ask(kind, refuse, method, groups=("x",))
    assert (refused.status, json.loads(refused.body)["Message"]) == (404, "no x")
    failed = ask(kind, fail, method)
    assert failed.status == 500
    assert b"secret" not in failed.body


@pytest.mark.parametrize(
    ("kind", "method", "headers", "status"),
    [
        (JsonRoute, "GET", {}, 200),
        (JsonRoute, "POST", HEADER, 405),
        (JsonRoute, "DELETE", HEADER, 405),
        (ActionRoute, "GET", HEADER, 405),
        (ActionRoute, "PUT", HEADER, 405),
        (ActionRoute, "POST", {}, 403),
        (ActionRoute, "POST", {"content-type": "text/plain"}, 403),
        (ActionRoute, "POST", {**HEADER, "sec-fetch-site": "cross-site"}, 403),
        (ActionRoute, "POST", HEADER, 200),
    ],
)
def test_what_is_refused_is_not_done(
    kind: type[JsonRoute], method: str, headers: Mapping[str, str], status: int
) -> None:
    done: list[int] = []

    def act() -> Mapping[str, Any]:
        done.append(1)
        return {}

    output = ask(kind, act, method, headers)

    assert (output.status, len(done)) == (status, int(status == 200))
    if status == 403:
        assert json.loads(output.body)["HttpStatus"] == 403


@pytest.mark.parametrize(("kind", "method"), [(JsonRoute, "GET"), (ActionRoute, "POST")])
def test_who_is_not_named_is_told_nothing(kind: type[JsonRoute], method: str) -> None:
    access = Access(["alice"], {"AuthenticationEnabled": True, "RegisteredUsers": {"alice": "a"}})
    output = ask(kind, lambda: {"secret": 1}, method, access=access)

    assert output.status == 403
    assert "AdminUsers" in json.loads(output.body)["Message"]
    assert b"secret" not in output.body


def test_an_answer_that_is_not_json_has_its_own_type_and_headers() -> None:
    page = Content(b"<p>", "text/html", {"Cache-Control": "max-age=60"})
    output = ask(JsonRoute, lambda: page)

    assert (output.body, output.content_type) == (b"<p>", "text/html")
    assert output.headers == {"Cache-Control": "max-age=60", "X-Content-Type-Options": "nosniff"}


LIMITED = Asked(lambda limit: {"limit": limit}, [Declaration("limit", Number(int, 1, 9), 7)])


@pytest.mark.parametrize(
    ("kind", "given", "status", "told"),
    [
        (JsonRoute, {}, 200, 7),
        (JsonRoute, {"get": {"limit": "3"}}, 200, 3),
        (JsonRoute, {"get": {"limi%74": "%33"}}, 200, 3),  # as trixie's Orthanc passes them on
        (JsonRoute, {"get": {"limit": "10"}}, 400, "allowed is a whole number from 1 to 9"),
        (JsonRoute, {"get": {"Limit": "3"}}, 400, "known arguments: limit"),
        (ActionRoute, {"body": b""}, 200, 7),
        (ActionRoute, {"body": b'{"limit": 3}'}, 200, 3),
        (ActionRoute, {"body": b'{"limit": [3]}'}, 400, "allowed is a whole number from 1 to 9"),
        (ActionRoute, {"body": b"[1]"}, 400, "a JSON object"),
        (ActionRoute, {"body": b"\xff"}, 400, "a JSON object"),
    ],
)
def test_arguments_come_from_the_query_of_a_get_and_the_body_of_a_post(
    kind: type[JsonRoute], given: dict[str, Any], status: int, told: object
) -> None:
    output = FakeOutput()
    route = kind(LIMITED, Access((), {}))
    request: dict[str, Any] = {"get": {}} if kind is JsonRoute else {}
    route(output, "", method=kind.method, groups=[], headers=HEADER, **(request | given))

    answer = json.loads(output.body)
    assert output.status == status
    assert (answer.get("limit") == told) if status == 200 else (str(told) in answer["Message"])
