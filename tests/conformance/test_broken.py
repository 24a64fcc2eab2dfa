"""A damaged frame has a clear error, its neighbours are served, and no picture is made up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.broken import (
    DAMAGED,
    DAMAGES,
    ENCODED,
    GONE_UNNOTICED,
    damaged,
    of_another_size,
    with_frames_missing,
)
from tests.conformance.checks import about_error, about_part
from tests.conformance.client import Client, HttpClient, parts_of
from tests.conformance.direct import Direct
from tests.conformance.shapes import related
from tests.conformance.stored import BY_NAME, EXPLICIT, FRAMES, Stored

OCTETS, AS_STORED = related("application/octet-stream"), related("application/octet-stream", "*")
BROKEN = [
    stored
    for stored in (
        *(damaged(name, damage) for name in ENCODED for damage in DAMAGES),
        *(of_another_size(name) for name in ENCODED),
    )
    if stored.name not in GONE_UNNOTICED
]
INCOMPLETE = [with_frames_missing(name) for name in ("Explicit, 12 bits in 16", "JPEG-LS, 16 bits")]
BY_BROKEN = pytest.mark.parametrize("stored", BROKEN, ids=lambda stored: stored.name)
LISTS_WITH_IT = (f"frames/{DAMAGED}", f"frames/1,{DAMAGED}", f"frames/{DAMAGED},3", "frames")


def check(client: Client, stored: Stored) -> None:
    assert list(complaints(client, stored)) == []


def complaints(client: Client, stored: Stored) -> Iterator[str]:
    good = BY_NAME[stored.name.partition(": ")[0]]
    for resource in (*LISTS_WITH_IT, f"frames/{DAMAGED}/rendered", f"frames/{DAMAGED}/thumbnail"):
        picture = resource.endswith(("rendered", "thumbnail"))
        reply = client.get(f"{stored.path}/{resource}", {} if picture else {"Accept": OCTETS})
        if reply.status != 500:
            yield f"{resource} is {reply.status}"
        else:
            yield from about_error(reply)
    for part in parts_of(client.get(f"{stored.path}/frames/4,1,3", {"Accept": OCTETS})):
        yield from about_part(part, good, EXPLICIT, int(part.number))
    for part in parts_of(client.get(f"{stored.path}/frames", {"Accept": AS_STORED})):
        yield from about_part(part, stored, stored.transfer_syntax_uid, int(part.number))
    if client.get(f"{stored.path}/frames/1/rendered").status != 200:
        yield "the good frames are not drawn"


@pytest.fixture(scope="module")
def holding(plugin: Direct) -> Direct:
    for number, stored in enumerate([*BROKEN, *INCOMPLETE]):
        plugin.store(stored, number=1000 + number)
    return plugin


@pytest.fixture(scope="module")
def uploaded(client: HttpClient) -> HttpClient:
    for stored in BROKEN:
        client.store(stored.file()).raise_for_status()
    return client


@BY_BROKEN
def test_a_damaged_frame_is_an_error_and_the_others_are_served(holding: Direct, stored: Stored) -> None:
    check(holding, stored)
    assert holding.errors() == []


@pytest.mark.orthanc
@BY_BROKEN
def test_orthanc_tells_of_a_damaged_frame_and_sends_the_others(uploaded: HttpClient, stored: Stored) -> None:
    check(uploaded, stored)


@pytest.mark.parametrize("stored", INCOMPLETE, ids=lambda stored: stored.name)
def test_an_instance_with_frames_missing_is_not_cut_by_guess(holding: Direct, stored: Stored) -> None:
    """Which of its frames are missing, nobody knows: it is the stock plugin's."""
    for number in range(1, FRAMES + 3):
        assert holding.get(f"{stored.path}/frames/{number}", {"Accept": OCTETS}).status == 307
    assert holding.get(f"{stored.path}/frames", {"Accept": OCTETS}).status == 500
