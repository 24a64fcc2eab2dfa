"""The table, asked of the plugin without a server around it, and of a real Orthanc of each suite.

The plugin alone is asked for all of it. It reads what is wanted of an instance (frame list, route) apart from the form
that is wanted (Accept, query), so Orthanc, which carries both, is asked for each pair of them, and not for all crossed.
"""

from __future__ import annotations

import pytest

from tests.conformance import checks, pictures
from tests.conformance.checks import LIST, ONE, VIDEO, about_error, complaints
from tests.conformance.client import Client, HttpClient, accepting, parts_of
from tests.conformance.direct import STOCK, Direct
from tests.conformance.pictures import can_be_drawn
from tests.conformance.protocol import LIST_CASES, ListCase
from tests.conformance.shapes import SHAPES
from tests.conformance.stored import BY_NAME, STORED, VIDEOS, Stored
from tests.integration.archive import Archive

BY_STORED = pytest.mark.parametrize("stored", STORED, ids=lambda stored: stored.name)
BY_DRAWN = pytest.mark.parametrize(
    "stored", [stored for stored in STORED if can_be_drawn(stored)], ids=lambda stored: stored.name
)
BY_VIDEO = pytest.mark.parametrize("stored", VIDEOS, ids=lambda stored: stored.name)
BY_LIST = pytest.mark.parametrize("case", LIST_CASES, ids=lambda case: case.name or case.text)
NATIVE = BY_NAME["Explicit, 12 bits in 16"]


@BY_STORED
def test_every_accept_and_list_has_its_answer(plugin: Direct, stored: Stored) -> None:
    assert list(complaints(plugin, stored)) == []
    assert plugin.errors() == []


@pytest.mark.orthanc
@BY_STORED
def test_orthanc_gives_every_accept_and_list_its_answer(client: HttpClient, stored: Stored) -> None:
    assert list(complaints(client, stored, checks.some_pairs(stored))) == []


@BY_DRAWN
def test_every_picture_has_its_answer(plugin: Direct, stored: Stored) -> None:
    assert list(pictures.complaints(plugin, stored)) == []
    assert plugin.errors() == []


@pytest.mark.orthanc
@BY_DRAWN
def test_orthanc_draws_every_picture(client: HttpClient, stored: Stored) -> None:
    assert list(pictures.complaints(client, stored, pictures.some_pairs(stored))) == []


@BY_VIDEO
def test_a_video_has_no_frames(plugin: Direct, stored: Stored) -> None:
    check_video(plugin, stored)


@pytest.mark.orthanc
@BY_VIDEO
def test_orthanc_says_that_a_video_has_no_frames(client: HttpClient, stored: Stored) -> None:
    check_video(client, stored)


def check_video(client: Client, stored: Stored) -> None:
    for shape in SHAPES:
        for frame_list in (ONE, LIST):
            reply = checks.ask(client, stored, shape, frame_list)
            assert (reply.status, VIDEO in reply.body.decode()) == (406, True), shape.name
            assert list(about_error(reply)) == []


@BY_LIST
def test_a_frame_list_has_its_status(plugin: Direct, case: ListCase) -> None:
    if plugin.get(f"{NATIVE.path}/frames/{case.text}").status != STOCK:
        check_list(plugin, case)


@pytest.mark.orthanc
@BY_LIST
def test_orthanc_gives_a_frame_list_its_status(client: HttpClient, case: ListCase) -> None:
    check_list(client, case)


def check_list(client: Client, case: ListCase) -> None:
    reply = client.get(f"{NATIVE.path}/frames/{case.text}")
    assert (reply.status, case.said in reply.body.decode("latin-1")) == (case.status, True), reply.body[:200]
    if reply.status == 200:
        numbers = [int(text) for text in case.text.replace("%2C", ",").split(",")]
        assert [part.payload for part in parts_of(reply)] == [NATIVE.explicit(number) for number in numbers]


@pytest.mark.orthanc
def test_floats_are_not_drawn(client: HttpClient) -> None:
    for stored in STORED:
        if not can_be_drawn(stored):
            reply = client.get(f"{stored.path}/rendered", accepting("image/png"))
            assert (reply.status, list(about_error(reply))) == (500, [])


@pytest.mark.orthanc
def test_nothing_of_it_was_an_error_of_the_plugin(archive: Archive, client: HttpClient) -> None:
    assert client.get(f"{NATIVE.path}/frames/1").status == 200
    assert archive.status()["Errors"] == 0
    assert "Traceback" not in archive.log
