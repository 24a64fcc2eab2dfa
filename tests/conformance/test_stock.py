"""Wherever the stock plugin answers 200 it answers the same as we do: the same bytes, or 2 grey levels away."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.conformance.checks import difference
from tests.conformance.client import HttpClient, accepting, parts_of
from tests.conformance.pictures import GREY_LEVELS, PNG, pixels_of
from tests.conformance.stock import (
    AS_EXPLICIT,
    AS_STORED,
    draws,
    ends_the_server,
    label,
    refuses,
    refuses_to_draw,
    stock,
)
from tests.conformance.stored import FRAMES, STORED, Stored

pytestmark = pytest.mark.orthanc

DRAWN = [stored for stored in STORED if draws(stored)]
QUERIES = ("", "?window=1500,2000,linear", "?viewport=20,16")
REFUSALS = (400, 500)


@pytest.fixture(scope="module")
def theirs(suite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpClient]:
    with stock(suite, tmp_path_factory.mktemp("stock") / "orthanc") as client:
        yield client


@pytest.mark.parametrize("accept", [AS_STORED, AS_EXPLICIT], ids=["as stored", "explicit"])
@pytest.mark.parametrize("stored", STORED, ids=lambda stored: stored.name)
def test_frames_are_the_stock_plugins(
    suite: str, client: HttpClient, theirs: HttpClient, stored: Stored, accept: str
) -> None:
    if ends_the_server(suite, stored, accept):
        return  # compared with what was encoded, in test_table.py
    for frame_list in (*map(str, range(1, FRAMES + 1)), "3,1,3"):
        path = f"{stored.path}/frames/{frame_list}"
        ours, reference = client.get(path, accepting(accept)), theirs.get(path, accepting(accept))
        if refuses(suite, stored, accept):
            assert (ours.status, reference.status in REFUSALS) == (200, True), reference.status
            continue
        for mine, its in zip(parts_of(ours), parts_of(reference), strict=True):
            assert (mine.number, its.transfer_syntax_uid) == (its.number, label(stored, accept))
            if stored.tolerance and accept == AS_EXPLICIT:
                assert difference(mine.payload, its.payload, stored) <= GREY_LEVELS
            else:
                assert mine.payload == its.payload


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("stored", DRAWN, ids=lambda stored: stored.name)
def test_pictures_are_the_stock_plugins(
    suite: str, client: HttpClient, theirs: HttpClient, stored: Stored, query: str
) -> None:
    for number in range(1, FRAMES + 1):
        path = f"{stored.path}/frames/{number}/rendered{query}"
        ours, reference = client.get(path, accepting(PNG)), theirs.get(path, accepting(PNG))
        assert ours.status == 200
        if refuses_to_draw(suite, stored) and reference.status in REFUSALS:
            continue
        assert reference.status == 200, reference.body[:200]
        mine, its = pixels_of(ours).astype(int), pixels_of(reference).astype(int)
        assert mine.shape == its.shape
        assert np.abs(mine - its).max() <= GREY_LEVELS
