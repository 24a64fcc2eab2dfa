"""Who may use the admin routes: the table of users, and of what a browser sends."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from framecache.admin.routes import Access, authenticates
from framecache.errors import Forbidden
from hypothesis import given
from hypothesis import strategies as st

ASKS = {"AuthenticationEnabled": True, "RegisteredUsers": {"alice": "a:1", "bob": "b", "zoë": "ü"}}
CLAIM = {"AuthenticationEnabled": False}
ACTION = {"x-frame-cache": "1"}


def basic(user: str, password: str = "") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def allowed(access: Access, headers: dict[str, str], *, action: bool = False) -> bool:
    try:
        (access.check_action if action else access.check)(headers)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize(
    ("users", "configuration", "headers", "may"),
    [
        ((), ASKS, {}, True),
        ((), CLAIM, {}, True),
        (("alice",), ASKS, basic("alice", "a:1"), True),
        (("alice",), ASKS, basic("alice", "a"), False),
        (("alice",), ASKS, basic("alice"), False),
        (("alice",), ASKS, basic("bob", "b"), False),
        (("alice", "bob"), ASKS, basic("bob", "b"), True),
        (("zoë",), ASKS, basic("zoë", "ü"), True),
        (("alice",), ASKS, {}, False),
        (("alice",), ASKS, {"authorization": "alice"}, False),
        (("mallory",), ASKS, basic("mallory", "m"), False),
        (("None",), ASKS, {}, False),
        (("alice",), {"AuthenticationEnabled": True}, basic("alice"), False),
        (("alice",), {"AuthenticationEnabled": True, "RegisteredUsers": []}, basic("alice"), False),
        (("alice",), {"AuthenticationEnabled": True, "RegisteredUsers": {"alice": 1}}, basic("alice", "1"), False),
        (("alice",), CLAIM, basic("alice", "whatever"), True),
        (("alice",), CLAIM, basic("bob", "b"), False),
        (("alice",), CLAIM, {"authorization": "basic YWxpY2U6"}, True),
        (("alice",), CLAIM, {"authorization": "Bearer YWxpY2U6"}, False),
        (("alice",), CLAIM, {"authorization": "Basic !"}, False),
        (("alice",), CLAIM, {"authorization": "Basic /w=="}, False),
        (("alice",), CLAIM, {}, False),
    ],
)
def test_who_may(users: tuple[str, ...], configuration: dict[str, Any], headers: dict[str, str], *, may: bool) -> None:
    access = Access(users, configuration)

    assert allowed(access, headers) is may
    assert allowed(access, {**headers, **ACTION}, action=True) is may


@pytest.mark.parametrize(
    ("headers", "may"),
    [
        (ACTION, True),
        ({**ACTION, "sec-fetch-site": "same-origin"}, True),
        ({**ACTION, "sec-fetch-site": "none"}, True),
        ({**ACTION, "sec-fetch-site": "cross-site"}, False),
        ({**ACTION, "sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"x-frame-cache": ""}, False),
        ({"content-type": "application/json"}, False),
        ({}, False),
    ],
)
def test_what_changes_something_needs_a_header_that_another_site_s_page_cannot_send(
    headers: dict[str, str], *, may: bool
) -> None:
    access = Access((), ASKS)

    assert allowed(access, headers, action=True) is may
    assert allowed(access, headers)


@pytest.mark.parametrize(
    ("configuration", "asks"),
    [
        ({"AuthenticationEnabled": True}, True),
        ({"AuthenticationEnabled": False, "RemoteAccessAllowed": True}, False),
        ({"RemoteAccessAllowed": True}, True),
        ({"RemoteAccessAllowed": False}, False),
        ({}, False),
    ],
)
def test_where_orthanc_asks_for_a_password(configuration: dict[str, Any], *, asks: bool) -> None:
    assert authenticates(configuration) is asks


@given(authorization=st.text(), asks=st.booleans())
def test_whatever_is_sent_as_authorization_is_nobody(authorization: str, *, asks: bool) -> None:
    access = Access(["alice"], ASKS if asks else CLAIM)
    known = [basic("alice", "a:1")["authorization"]]

    assert allowed(access, {"authorization": authorization}) == (authorization in known)
