"""Arguments are read by their names, and what cannot be is refused with what is allowed."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from framecache.admin.area import Asked, OrthancIds, read_arguments
from framecache.declaration import Declaration, Enumeration, Number
from framecache.errors import BadRequest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fakes import orthanc_id

PARAMETERS = (
    Declaration("limit", Number(int, 1, 1000), 100),
    Declaration("sort", Enumeration(("Bytes", "Frames"), quotes=""), "Bytes"),
    Declaration("ids", OrthancIds(2)),
)
ASKED = Asked(lambda **_: {}, PARAMETERS)
ONE, TWO, THREE = map(orthanc_id, (1, 2, 3))


@pytest.mark.parametrize(
    ("given_", "values"),
    [
        ({}, {"limit": 100, "sort": "Bytes", "ids": None}),
        ({"limit": "1000", "sort": "Frames"}, {"limit": 1000, "sort": "Frames", "ids": None}),
        ({"ids": f"{TWO},{ONE},{TWO}"[:89]}, {"limit": 100, "sort": "Bytes", "ids": (TWO, ONE)}),
    ],
)
def test_what_is_allowed_is_read(given_: dict[str, str], values: dict[str, Any]) -> None:
    assert read_arguments(ASKED, given_) == values


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"limit": "0"}, "\"limit\" is '0'; allowed is a whole number from 1 to 1000"),
        ({"limit": "1001"}, "from 1 to 1000"),
        ({"limit": "-1"}, "from 1 to 1000"),
        ({"limit": ""}, "from 1 to 1000"),
        ({"limit": "١"}, "from 1 to 1000"),
        ({"sort": "bytes"}, "allowed is Bytes or Frames"),
        ({"ids": ""}, "up to 2 Orthanc IDs, separated by commas"),
        ({"ids": ",".join((ONE, TWO, THREE))}, "up to 2 Orthanc IDs"),
        ({"ids": f"{ONE};{TWO}"}, "separated by commas"),
        ({"Limit": "1"}, 'unknown argument "Limit"; known arguments: limit, sort, ids'),
    ],
)
def test_what_is_not_is_refused_with_what_is(given_: dict[str, str], message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_arguments(ASKED, given_)

    assert message in str(refused.value)


def test_an_answer_without_arguments_takes_none() -> None:
    assert read_arguments(dict, {}) == {}
    with pytest.raises(BadRequest):
        read_arguments(dict, {"x": "1"})


@given(st.dictionaries(st.sampled_from(["limit", "sort", "ids", "?"]), st.text()))
def test_nothing_else_is_raised(given_: dict[str, str]) -> None:
    with contextlib.suppress(BadRequest):
        assert set(read_arguments(ASKED, given_)) == {"limit", "sort", "ids"}
