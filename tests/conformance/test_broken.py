"""A damaged frame has a clear error, its neighbours are served, and no picture is made up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from json import loads

import pytest
from framecache.dicom.transfer_syntax import lookup

from tests.conformance.broken import (
    DAMAGED,
    DAMAGES,
    ENCODED,
    INCOMPLETE,
    Incomplete,
    damaged,
    of_another_size,
)
from tests.conformance.checks import about_error, about_part
from tests.conformance.client import ERROR, Client, HttpClient, Reply, parts_of
from tests.conformance.direct import Direct
from tests.conformance.shapes import related
from tests.conformance.stored import BY_NAME, EXPLICIT, Stored

OCTETS, AS_STORED = related("application/octet-stream"), related("application/octet-stream", "*")
BROKEN = [
    *(damaged(name, damage) for name in ENCODED for damage in DAMAGES),
    *(of_another_size(name) for name in ENCODED),
]
BY_BROKEN = pytest.mark.parametrize("stored", BROKEN, ids=lambda stored: stored.name)
BY_INCOMPLETE = pytest.mark.parametrize("case", INCOMPLETE, ids=lambda case: case.name)
# Orthanc takes in no file that is cut short: only a disk can make one of what it holds.
STORABLE, REFUSED = ([case for case in INCOMPLETE if bool(case.cut) is cut] for cut in (False, True))
LISTS_WITH_IT = (f"frames/1,{DAMAGED}", f"frames/{DAMAGED},3", "frames")


def check(client: Client, stored: Stored) -> None:
    assert list(complaints(client, stored)) == []


def complaints(client: Client, stored: Stored) -> Iterator[str]:
    good = BY_NAME[stored.name.partition(": ")[0]]
    for resource in (f"frames/{DAMAGED}", f"frames/{DAMAGED}/rendered", f"frames/{DAMAGED}/thumbnail"):
        picture = resource.endswith(("rendered", "thumbnail"))
        reply = client.get(f"{stored.path}/{resource}", {} if picture else {"Accept": OCTETS})
        if picture and says_its_size(stored):
            # What it shows is in no doubt; its octets are not what the metadata says.
            if reply.status != 200:
                yield f"{resource} is {reply.status}"
        elif reply.status != 500:
            yield f"{resource} is {reply.status}"
        else:
            yield from about_error(reply)
    for resource in LISTS_WITH_IT:
        reply = client.get(f"{stored.path}/{resource}", {"Accept": OCTETS})
        yield from about_list(reply, good, lambda number: number == DAMAGED)
    for part in parts_of(client.get(f"{stored.path}/frames/4,1,3", {"Accept": OCTETS})):
        yield from about_part(part, good, EXPLICIT, int(part.number))
    for part in parts_of(client.get(f"{stored.path}/frames", {"Accept": AS_STORED})):
        yield from about_part(part, stored, stored.transfer_syntax_uid, int(part.number))
    if client.get(f"{stored.path}/frames/1/rendered").status != 200:
        yield "the good frames are not drawn"


def says_its_size(stored: Stored) -> bool:
    """Whether its damaged frame is sound and tells how large it is: JPEG, JPEG-LS, JPEG 2000 and HTJ2K do."""
    is_sound = stored.name.endswith("of another size")
    return is_sound and lookup(stored.transfer_syntax_uid).media_type not in ("image/dicom-rle", "image/jxl")


def about_list(reply: Reply, good: Stored, is_broken: Callable[[int], bool]) -> Iterator[str]:
    """In the place of a broken frame is why, and the others come as they are; a copy of such an answer is not kept."""
    if reply.status != 200 or "etag" in reply.headers:
        yield f"{reply.status} with {reply.headers}"
        return
    for part in parts_of(reply):
        if not is_broken(int(part.number)):
            yield from about_part(part, good, part.transfer_syntax_uid, int(part.number))
        elif part.media_type != ERROR or loads(part.payload)["HttpStatus"] != 500:
            yield f"frame {part.number} is said to be {part.media_type}"


@pytest.fixture(scope="module")
def holding(plugin: Direct) -> Direct:
    for number, stored in enumerate(BROKEN):
        plugin.store(stored, number=1000 + number)
    for number, case in enumerate(INCOMPLETE):
        plugin.store(case.stored, case.file(), number=2000 + number)
    return plugin


@pytest.fixture(scope="module")
def uploaded(client: HttpClient) -> HttpClient:
    for file in (*(stored.file() for stored in BROKEN), *(case.file() for case in STORABLE)):
        client.store(file).raise_for_status()
    return client


@BY_BROKEN
def test_a_damaged_frame_is_an_error_and_the_others_are_served(holding: Direct, stored: Stored) -> None:
    check(holding, stored)
    assert holding.errors() == []


@pytest.mark.orthanc
@BY_BROKEN
def test_orthanc_tells_of_a_damaged_frame_and_sends_the_others(uploaded: HttpClient, stored: Stored) -> None:
    check(uploaded, stored)


def check_incomplete(client: Client, case: Incomplete) -> None:
    assert list(incomplete_complaints(client, case)) == []


def incomplete_complaints(client: Client, case: Incomplete) -> Iterator[str]:
    """Each frame is there as it was meant, or a clear error, whichever way it is asked for."""
    stored, good = case.stored, case.good
    for number in range(1, case.frames + 1):
        for accept in (OCTETS, AS_STORED):
            reply = client.get(f"{stored.path}/frames/{number}", {"Accept": accept})
            if reply.status != (200 if number <= case.present else 500):
                yield f"frame {number} is {reply.status}"
            elif reply.status == 200:
                (part,) = parts_of(reply)
                yield from about_part(part, good, part.transfer_syntax_uid, number)
            else:
                yield from about_error(reply)
        drawn = client.get(f"{stored.path}/frames/{number}/rendered")
        if drawn.status != (200 if number <= case.present else 500):
            yield f"frame {number}, drawn, is {drawn.status}"
    for resource in ("frames", f"frames/1,{case.frames}"):
        reply = client.get(f"{stored.path}/{resource}", {"Accept": OCTETS})
        if case.present:
            yield from about_list(reply, good, lambda number: number > case.present)
        else:
            yield from about_error(reply)
    past_the_end = client.get(f"{stored.path}/frames/{case.frames + 1}", {"Accept": OCTETS})
    if past_the_end.status != (404 if case.present else 500):
        yield f"past the end is {past_the_end.status}"
    yield from about_error(past_the_end)


@BY_INCOMPLETE
def test_of_an_instance_that_is_cut_short_the_whole_frames_are_served(holding: Direct, case: Incomplete) -> None:
    check_incomplete(holding, case)
    assert holding.errors() == []


@pytest.mark.orthanc
@pytest.mark.parametrize("case", STORABLE, ids=lambda case: case.name)
def test_orthanc_sends_the_frames_that_are_there(uploaded: HttpClient, case: Incomplete) -> None:
    check_incomplete(uploaded, case)


@pytest.mark.orthanc
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_orthanc_takes_in_no_file_that_is_cut_short(client: HttpClient, case: Incomplete) -> None:
    assert client.store(case.file()).status_code == 400
