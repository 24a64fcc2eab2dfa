"""When a frame is a hit and when a miss, what the headers say, and that a client is not sent twice what it has."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from dev.sample import Sample
from tests.integration.archive import AS_STORED, Archive, restart, stop, wait_until

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=4, rows=64, columns=96)


@pytest.mark.parametrize("encoding", ["explicit", "jpeg-2000"])
def test_a_frame_of_a_new_instance_is_a_hit_the_first_time(archive: Archive, encoding: str) -> None:
    instance = archive.store(replace(SMALL, encoding=encoding, seed=1))
    before = archive.status()
    assert archive.frames(instance, "3").headers["X-Frame-Cache"] == "hit"
    after = archive.status()
    assert (after["Hits"] - before["Hits"], after["Misses"] - before["Misses"]) == (1, 0)


def test_it_is_a_hit_after_a_restart_and_a_miss_of_the_same_bytes_without_the_folder(archive: Archive) -> None:
    instance = archive.store(replace(SMALL, seed=20))
    fresh = archive.frames(instance, "2,4")
    restart(archive)
    restarted = archive.frames(instance, "2,4")
    stop(archive.server)
    shutil.rmtree(archive.server.folder / "FrameCache")
    archive.server.start()
    archive.wait_until_checked()
    emptied = archive.frames(instance, "2,4")
    assert [a.headers["X-Frame-Cache"] for a in (fresh, restarted, emptied)] == ["hit", "hit", "miss"]
    assert fresh.content == restarted.content == emptied.content


def test_a_miss_brings_the_whole_instance_into_the_cache(archive: Archive) -> None:
    instance = archive.store(replace(SMALL, seed=21))
    stop(archive.server)
    shutil.rmtree(archive.server.folder / "FrameCache")
    archive.server.start()
    archive.wait_until_checked()
    assert archive.progress(instance)["CachedFrames"] == 0
    assert archive.frames(instance, "3").headers["X-Frame-Cache"] == "miss"
    archive.wait_until_cached(instance)
    assert archive.frames(instance, "1,2,3,4").headers["X-Frame-Cache"] == "hit"


def test_the_headers_of_an_answer(archive: Archive) -> None:
    instance = archive.store(replace(SMALL, seed=2))
    headers = archive.frames(instance, "1").headers
    assert headers["Cache-Control"] == "private, no-cache"
    assert headers["Vary"] == "Accept"
    assert re.fullmatch(r"cache;desc=hit;dur=[0-9.]+", headers["Server-Timing"])
    assert re.fullmatch(r'"[!#-~]+"', headers["ETag"])


def test_a_client_that_has_the_answer_gets_304_and_no_bytes(archive: Archive) -> None:
    instance = archive.store(replace(SMALL, seed=3))
    tag = archive.frames(instance, "1,2").headers["ETag"]
    for if_none_match in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = archive.frames(instance, "1,2", if_none_match=if_none_match)
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert archive.frames(instance, "1,2", if_none_match='"other"').status_code == 200


def test_a_past_frame_is_not_304_for_any_tag(archive: Archive) -> None:
    instance = archive.store(replace(SMALL, seed=3))
    assert archive.frames(instance, "5", if_none_match="*").status_code == 404


def test_each_representation_has_its_own_tag(archive: Archive) -> None:
    instance = archive.store(replace(SMALL, seed=4))
    other = archive.store(replace(SMALL, seed=5))
    answers = [
        archive.frames(instance, "1"),
        archive.frames(instance, "2"),
        archive.frames(instance, "1,2"),
        archive.frames(instance, "2,1"),
        archive.frames(instance, "1", "application/octet-stream"),
        archive.frames(other, "1"),
    ]
    assert len({answer.headers["ETag"] for answer in answers}) == len(answers)


def test_the_tag_of_an_answer_survives_a_restart(archive: Archive) -> None:
    instance = archive.store(replace(SMALL, seed=22))
    tag = archive.frames(instance, "1").headers["ETag"]
    restart(archive)
    assert archive.frames(instance, "1", if_none_match=tag).status_code == 304


def test_a_large_single_frame_is_cached(archive: Archive) -> None:
    instance = archive.store(Sample(kind="mammogram", rows=1500, columns=1500, seed=6))
    assert archive.frames(instance, "1").headers["X-Frame-Cache"] == "hit"
    assert archive.parts(instance, "1") == archive.stock_parts(instance, "1")


def test_a_small_single_frame_is_served_but_not_cached(archive: Archive) -> None:
    small = archive.store(Sample(kind="mammogram", rows=64, columns=64, seed=7), cached=False)
    archive.store(replace(SMALL, seed=8))  # arrived later, so the small one was decided on
    for _ in range(2):
        assert archive.frames(small, "1").headers["X-Frame-Cache"] == "miss"
        assert archive.parts(small, "1") == archive.stock_parts(small, "1")
    assert archive.progress(small)["CachedFrames"] == 0


def test_a_damaged_cache_file_is_never_sent(archive: Archive) -> None:
    """Whatever a power cut or a dying disk makes of it; what has its length is found when it is read."""
    others, frame_list = archive.cached_files(), ",".join(str(number + 1) for number in range(len(DAMAGES)))
    instance = archive.store(replace(SMALL, frames=len(DAMAGES), rows=400, columns=400, seed=30))
    wanted = archive.frames(instance, frame_list).content
    stop(archive.server)
    blocks = sorted(archive.cached_files() - others)
    assert len(blocks) == len(DAMAGES)
    for path, damage in zip(blocks, DAMAGES, strict=True):
        path.write_bytes(damage(path.read_bytes()))
    blocks[-1].unlink()
    archive.server.start()
    archive.wait_until_checked()
    answer = archive.frames(instance, frame_list, AS_STORED)
    assert (answer.headers["X-Frame-Cache"], answer.content == wanted) == ("miss", True)
    wait_until(lambda: archive.frames(instance, frame_list).headers["X-Frame-Cache"] == "hit")
    by_length = sum(len(damage(CONTENT)) < len(CONTENT) for damage in DAMAGES)  # found by a reader, or by the check
    found = range(len(DAMAGES) - by_length, len(DAMAGES))
    wait_until(lambda: archive.status()["DamagedBlocks"] in found, lambda: str(archive.status()))
    assert archive.frames(instance, frame_list).content == wanted
    assert archive.status()["Errors"] == 0


CONTENT = bytes(range(256)) * 40
DAMAGES: Sequence[Callable[[bytes], bytes]] = (
    lambda content: content[:-1000] + bytes([content[-1000] ^ 1]) + content[-999:],
    lambda content: bytes([content[0] ^ 1]) + content[1:],  # the block's mark
    lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:],  # where its frame lies
    lambda content: bytes(len(content)),
    lambda content: content[:4096] + bytes(len(content) - 4096),
    lambda content: content[:-1],
    lambda _: b"",
    lambda content: content[:-1],  # and removed
)
