"""The examples of docs/api.md have the keys that the code answers with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from dev.console import CHECKOUT
from tests.unit.admin.site import Site
from tests.unit.fakes import SERIES_ID, STUDY_ID

DOCUMENT = (CHECKOUT / "docs" / "api.md").read_text()
RESOURCE = "(studies|series|instances)/([^/]+)"


def example(heading: str) -> Any:
    """The first JSON under a heading."""
    text = DOCUMENT.split(f"### {heading}\n", 1)[1].split("\n### ", 1)[0]
    found = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert found, heading
    return json.loads(found[1])


def shape(value: Any) -> Any:
    """Its keys, in their order, all the way down."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return [shape(one) for one in value[:1]] if isinstance(value, list) else None


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"))
    made.warm(made.take_in(1))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("heading", "pattern", "groups"),
    [
        ("GET studies", "studies", ()),
        ("GET studies/{id}", "studies/([^/]+)", (STUDY_ID,)),
        ("GET series/{id}", "series/([^/]+)", (SERIES_ID,)),
        ("GET instances/{id}", "instances/([^/]+)", None),
    ],
)
def test_what_is_told_is_documented(site: Site, heading: str, pattern: str, groups: tuple[str, ...] | None) -> None:
    told = site.told(pattern, *((site.names[0],) if groups is None else groups))
    assert shape(told) == shape(example(heading))


@pytest.mark.parametrize("action", ["warm", "verify", "purge"])
def test_what_is_done_is_documented(site: Site, action: str) -> None:
    answer = site.do(f"{RESOURCE}/{action}", "studies", STUDY_ID)
    assert shape(answer) == shape(example(f"POST studies/{{id}}/{action}"))
    if action == "warm":
        assert shape(site.job(answer).to_json()) == shape(example("GET jobs/{id}"))


def test_pinning_is_documented(site: Site) -> None:
    answer = site.do("studies/([^/]+)/pin", STUDY_ID)
    assert shape(answer) == shape(example("POST studies/{id}/pin, studies/{id}/unpin"))


def test_events_are_documented(site: Site) -> None:
    assert shape(site.work_told("events", limit="1")) == shape(example("GET events"))
