"""A worker asks whichever node answers."""

from __future__ import annotations

import contextlib

import pytest
import requests
from framecache.cluster.web_api import WebApi
from framecache.errors import NotFound, SourceError

from tests.unit.cli.server import Reply, serving

NOBODY = "http://127.0.0.1:1"


def test_a_node_that_cannot_be_reached_is_left_for_the_next_one() -> None:
    with serving({"GET /system": {"Version": "1.13.0"}}) as node:
        api = WebApi([NOBODY, node.url], requests.Session)
        assert b"1.13.0" in api.get("/system")
        with pytest.raises(NotFound, match="/instances/none"):
            api.get("/instances/none")


def test_that_no_node_answers_is_an_error_that_may_pass() -> None:
    with pytest.raises(SourceError, match="no Orthanc can be reached"):
        WebApi([NOBODY], requests.Session).post("/tools/find", b"{}")


def test_a_node_that_answers_for_another_is_left_for_the_next_one() -> None:
    proxy = {"GET /system": Reply("Bad Gateway", 502)}
    with serving(proxy) as away, serving({"GET /system": {"Version": "1.13.0"}}) as node:
        assert b"1.13.0" in WebApi([away.url, node.url], requests.Session).get("/system")
        with pytest.raises(SourceError, match="502"):
            WebApi([away.url], requests.Session).get("/system")


@pytest.mark.parametrize(("status", "is_there"), [(200, True), (403, True), (404, True), (500, False), (503, False)])
def test_whoever_refuses_a_question_is_there_and_whoever_has_a_fault_is_not(
    status: int,
    is_there: bool,  # noqa: FBT001
) -> None:
    with serving({"GET /system": Reply({}, status)}) as node:
        api = WebApi([node.url], requests.Session)
        with contextlib.nullcontext() if is_there else pytest.raises(SourceError):
            api.check()
