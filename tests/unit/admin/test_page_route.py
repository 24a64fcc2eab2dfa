"""The page is sent to whoever may use the other admin routes, and under a strict policy."""

from __future__ import annotations

from typing import Any

import pytest
from framecache.admin.page import PageFiles, PageRoute
from framecache.admin.routes import Access

from tests.unit.fakes import FakeOutput


def ask(path: str, headers: dict[str, str] | None = None, **request: Any) -> FakeOutput:
    access = request.pop("access", None) or Access((), {})
    output = FakeOutput()
    request = {"method": "GET", "get": {}, **request}
    PageRoute(PageFiles(), access)(output, "", groups=[path], headers=headers or {}, **request)
    return output


def test_a_file_is_kept_by_the_browser_and_confirmed() -> None:
    first = ask("/page.js")
    again = ask("/page.js", {"if-none-match": first.headers["ETag"]})
    changed = ask("/page.js", {"if-none-match": '"another"'})

    assert (first.status, first.content_type) == (200, "text/javascript; charset=utf-8")
    assert (again.status, again.body) == (304, b"")
    assert (changed.status, changed.body) == (200, first.body)
    assert first.headers["Cache-Control"] == again.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", ["/index.html", "/page.js", "/style.css", "/icon.svg"])
def test_nothing_comes_from_elsewhere_and_no_text_becomes_script(path: str) -> None:
    headers = ask(path).headers
    policy = dict(one.strip().split(" ", 1) for one in headers["Content-Security-Policy"].split(";"))

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("path", "arguments", "location"),
    [
        ("", {}, "app/index.html"),
        ("", {"study": "a-b"}, "app/index.html?study=a-b"),
        ("", {"study": "x\r\nSet-Cookie: y"}, "app/index.html?study=x%0D%0ASet-Cookie%3A%20y"),
        ("/app/index.html", {"study": "a-b"}, "../index.html?study=a-b"),
    ],
)
def test_the_folder_leads_to_its_start_page(path: str, arguments: dict[str, str], location: str) -> None:
    output = ask(path, get=arguments)

    assert (output.status, output.headers["Location"]) == (307, location)


@pytest.mark.parametrize(("path", "method", "status"), [("/x.js", "GET", 404), ("/page.js", "POST", 405)])
def test_all_else_is_refused(path: str, method: str, status: int) -> None:
    assert ask(path, method=method).status == status


@pytest.mark.parametrize("path", ["", "/index.html", "/page.js", "/x.js"])
def test_who_is_not_named_gets_no_page(path: str) -> None:
    access = Access(["alice"], {"AuthenticationEnabled": True, "RegisteredUsers": {"alice": "a"}})
    output = ask(path, access=access)

    assert output.status == 403
    assert b"<html" not in output.body
    assert output.body.decode().startswith("Frame cache: only users in the setting")
