"""A worker asks whichever node answers."""

from __future__ import annotations

import pytest
import requests
from framecache.cluster.web_api import WebApi
from framecache.errors import NotFound, SourceError

from tests.unit.cli.server import serving

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
