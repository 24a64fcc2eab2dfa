"""openapi.json describes the routes that there are, and no others."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from framecache import __version__, install
from framecache.admin.area import Asked
from framecache.admin.page import Document
from framecache.admin.routes import JsonRoute
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.unit.fakes import FakeModule, FakeOutput

DOCUMENT = Document().document()
PAGE = "/frame-cache/app"  # one route for all of its files


@pytest.fixture
def module(tmp_path: Path) -> FakeModule:
    section = {"CodecProcesses": 0}
    module = FakeModule(
        {"Python": {"AllowThreads": True}, "StorageDirectory": "storage", "FrameCache": section}, tmp_path
    )
    install(module)
    assert module.on_change is not None
    module.on_change(module.ChangeType.ORTHANC_STOPPED, 0, "")
    return module


def shape(path: str) -> str:
    """A path or a pattern with its variables unnamed."""
    return re.sub(r"\{[^}]*\}|\((?:[^()]|\([^()]*\))*\)", "*", path.replace("[.]", "."))


def documented(method: str) -> set[str]:
    return {shape(path) for path, item in DOCUMENT["paths"].items() if method in item and not path.startswith(PAGE)}


def test_it_is_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    assert DOCUMENT["info"]["version"] == __version__


@pytest.mark.parametrize("method", ["get", "post"])
def test_it_has_the_routes_that_are_registered(module: FakeModule, method: str) -> None:
    registered = {
        shape(pattern)
        for pattern, route in module.routes.items()
        if getattr(route, "method", "").lower() == method and pattern.startswith("/frame-cache/")
    }

    assert len(registered) > 5
    assert registered == documented(method)
    assert any(path.startswith(PAGE) for path in DOCUMENT["paths"]) == any(
        pattern.startswith(PAGE) for pattern in module.routes
    )


def test_it_is_served(module: FakeModule) -> None:
    output = FakeOutput()
    route = module.routes["/frame-cache/openapi[.]json"]
    route(output, "/frame-cache/openapi.json", method="GET", groups=[], get={}, headers={})

    assert (output.status, output.content_type) == (200, "application/json")
    assert json.loads(output.body) == DOCUMENT


def test_nothing_is_changed_without_the_header() -> None:
    for path, item in DOCUMENT["paths"].items():
        parameters: list[dict[str, Any]] = item.get("post", {}).get("parameters", [])
        assert "post" not in item or {"$ref": "#/components/parameters/Action"} in parameters, path


def test_it_has_the_arguments_that_each_route_takes(module: FakeModule) -> None:
    taken = {
        pattern: [one.name for one in route.answer.parameters]
        for pattern, route in module.routes.items()
        if isinstance(route, JsonRoute) and isinstance(route.answer, Asked)
    }

    assert {pattern: names for pattern, names in taken.items() if "rules" not in pattern} == {
        path: [one["name"] for one in item["get"]["parameters"]]
        for path, item in DOCUMENT["paths"].items()
        if any(one.get("in") == "query" for one in item.get("get", {}).get("parameters", []))
    }
    body = DOCUMENT["paths"]["/frame-cache/rules/preview"]["post"]["requestBody"]["content"]["application/json"]
    assert taken["/frame-cache/rules/preview"] == list(body["schema"]["properties"])
