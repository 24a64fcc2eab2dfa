"""Frame requests against instances in a cache, half in it, not in it, damaged, and deleted meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from framecache.dicom.frame_source import FrameSource
from framecache.dicom.identity import InstancePath
from framecache.dicomweb.url import PublicUrl
from framecache.errors import BadRequest, FrameCacheError, NotAcceptable, NotFound
from framecache.instances.catalogue import Catalogue
from framecache.instances.entry import Entry
from framecache.policy.policy import Treatment
from framecache.serving.answer import Reporter, is_known
from framecache.serving.assembly import Assembly, Limits
from framecache.serving.frames import Frames
from framecache.serving.representations import Codecs, Representations
from framecache.serving.resources import Resources
from framecache.serving.retrieval import FrameRequest, Retrieval
from framecache.store.block import BrokenBlock
from framecache.telemetry.metrics import MissCause
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.blocks import content_of, overwrite, take_away
from tests.unit.dicom_files import BIG_ENDIAN, EXPLICIT, JPEG_2000, SERIES, STUDY, encapsulated, native
from tests.unit.fakes import PATH, UUID, FakeClock, WatchedStore, sources, uuid
from tests.unit.harness import Harness
from tests.unit.multipart_body import split

PIXELS = bytes(range(72))
FRAMES = [PIXELS[i : i + 24] for i in (0, 24, 48)]
OHIF = {"accept": "multipart/related; type=application/octet-stream; transfer-syntax=*", "host": "pacs"}
HTJ2K = 'multipart/related; type="image/jphc"'
MB = 1 << 20


class Bench(Harness[WatchedStore, FakeClock]):
    """Retrieval with everything around it."""

    def __init__(self, folder: Path, longest_body: int = MB, codecs: Codecs | None = None) -> None:
        super().__init__(folder, WatchedStore(), FakeClock(), memory=8 * MB)
        self.wanted_frames: list[int] = []
        self.kept: list[tuple[str, int, bytes]] = []
        limits = Limits(longest_list=10, longest_body=longest_body)
        reporter = Reporter(self.metrics, self.clock, "frames", "private, no-cache")
        self.frames = Frames(sources(self.api), codecs, self)
        assembly = Assembly(self.frames, self.pool, self, reporter, limits)
        representations = Representations(can_transcode=codecs is not None)
        url = PublicUrl.from_configuration({})
        self.retrieval = Retrieval(self.catalogue, representations, assembly, reporter, url)

    def queue_missed(self, _entry: Entry, frame_number: int) -> MissCause:
        self.wanted_frames.append(frame_number)
        return "not_cached"

    def keep(self, _entry: Entry, form: str, frame_number: int, content: bytes) -> None:
        self.kept.append((form, frame_number, content))

    def cache(self, *numbers: int, frames: list[bytes] = FRAMES, syntax: str = EXPLICIT) -> Entry:
        """Put frames into the cache, each in its block."""
        entry = self.catalogue.lookup(PATH)
        for number in numbers:
            entry.add(self.store.blocks.keep(entry.instance, syntax, {number: memoryview(frames[number - 1])}))
        return entry

    def get(
        self, frame_list: str, headers: dict[str, str] | None = None, accept: str | None = None
    ) -> tuple[int, dict[str, str], str, list[bytes]]:
        """Status, headers, media type and frames (the whole body where it is a single part)."""
        request = FrameRequest(PATH, frame_list, OHIF if headers is None else headers, accept)
        with self.retrieval.answer(request) as answer:
            body = bytes(answer.body) if isinstance(answer.body, memoryview) else b"".join(map(bytes, answer.body))
            is_multipart = answer.content_type.startswith("multipart/")
            frames = [frame for _, frame in split(body, boundary_of(answer.content_type))] if is_multipart else [body]
        assert self.pool.leased == 0
        return answer.status, dict(answer.headers), answer.content_type, frames


def boundary_of(content_type: str) -> str:
    """The UUID in it."""
    return content_type.partition("boundary=frame-cache-")[2]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.api.store(native(PIXELS))
    yield made
    made.desk.close()


@pytest.mark.parametrize(
    ("cached", "asked", "outcome", "wanted"),
    [
        ((1, 2, 3), "2", "hit", []),
        ((1, 2, 3), "3,1,1,2", "hit", []),
        ((), "2", "miss", [2]),
        ((1,), "1,3,2", "miss", [3]),
        ((1, 2, 3), "", "hit", []),
        ((), "", "miss", [1]),
    ],
)
def test_the_same_bytes_come_from_the_cache_and_from_the_file(
    bench: Bench, cached: tuple[int, ...], asked: str, outcome: str, wanted: list[int]
) -> None:
    bench.cache(*cached)
    status, headers, content_type, frames = bench.get(asked)

    numbers = [int(number) for number in asked.split(",")] if asked else [1, 2, 3]
    assert (status, frames) == (200, [FRAMES[number - 1] for number in numbers])
    assert content_type == (
        f'multipart/related; type="application/octet-stream; transfer-syntax={EXPLICIT}"; boundary=frame-cache-{UUID}'
    )
    assert headers["X-Frame-Cache"] == outcome
    assert headers["Server-Timing"].startswith(f"cache;desc={outcome};dur=")
    assert (headers["Cache-Control"], headers["Vary"]) == ("private, no-cache", "Accept")
    assert bench.wanted_frames == wanted
    assert bench.metrics["hits" if outcome == "hit" else "misses"] == 1


@pytest.mark.parametrize("is_on_a_disk_here", [True, False])
def test_a_frame_that_does_not_lie_on_a_disk_here_is_kept_for_the_next_request(
    bench: Bench, *, is_on_a_disk_here: bool
) -> None:
    entry = bench.catalogue.lookup(PATH)
    if not is_on_a_disk_here:
        entry.stored_path = None

    assert bench.get("2")[3] == [FRAMES[1]]

    assert bench.kept == ([] if is_on_a_disk_here else [(EXPLICIT, 2, FRAMES[1])])


def test_parts_say_where_they_are_found(bench: Bench) -> None:
    with bench.retrieval.answer(FrameRequest(PATH, "2,3", OHIF)) as answer:
        assert isinstance(answer.body, memoryview)
        heads = [head.decode() for head, _ in split(bytes(answer.body), UUID)]

    for head, number in zip(heads, (2, 3), strict=True):
        assert f"Content-Location: http://pacs/dicom-web/{PATH}/frames/{number}\r\n" in head


@pytest.mark.parametrize("cached", [(), (1,)], ids=["from the file", "from the cache"])
def test_each_client_is_told_the_address_that_it_uses(bench: Bench, cached: tuple[int, ...]) -> None:
    bench.cache(*cached)
    proxied = {**OHIF, "x-forwarded-host": "proxy", "x-forwarded-proto": "https"}
    for headers, base in [
        (OHIF, "http://pacs"),
        ({**OHIF, "host": "other"}, "http://other"),
        (proxied, "https://proxy"),
        ({**OHIF, "forwarded": "host=edge;proto=https"}, "https://edge"),
        (OHIF, "http://pacs"),
    ]:
        with bench.retrieval.answer(FrameRequest(PATH, "1", headers)) as answer:
            assert isinstance(answer.body, memoryview)
            assert f"Content-Location: {base}/dicom-web/{PATH}/frames/1\r\n".encode() in bytes(answer.body)


def test_a_frame_that_is_cached_is_read_anew_for_each_request(bench: Bench) -> None:
    """Deleted, overwritten, dropped: whatever happens between two equal requests is seen by the second."""
    entry = bench.cache(1)
    assert bench.get("1")[1]["X-Frame-Cache"] == "hit"
    entry.drop(entry.blocks[EXPLICIT, 1], BrokenBlock("the frame is damaged"))
    assert bench.get("1")[1]["X-Frame-Cache"] == "miss"
    bench.cache(1)
    assert bench.get("1")[1]["X-Frame-Cache"] == "hit"
    bench.api.store(native(PIXELS[::-1]), uuid=uuid(9))
    assert (bench.get("1")[3], bench.get("1")[1]["X-Frame-Cache"]) == ([PIXELS[::-1][:24]], "miss")


def test_fragments_of_a_frame_are_joined(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    soc = b"\xff\x4f\xff\x51"
    bench.api.store(encapsulated([b"", soc + b"a", b"b", soc + b"c"], NumberOfFrames=2), syntax=JPEG_2000)

    assert bench.get("2,1")[3] == [soc + b"c", soc + b"ab"]
    bench.desk.close()


@pytest.mark.parametrize(
    ("headers", "accept", "content_type"),
    [
        ({"accept": "application/octet-stream"}, None, f"application/octet-stream; transfer-syntax={EXPLICIT}"),
        (OHIF, "application/octet-stream", f"application/octet-stream; transfer-syntax={EXPLICIT}"),
    ],
)
def test_a_single_part_is_the_frame_alone(
    bench: Bench, headers: dict[str, str], accept: str | None, content_type: str
) -> None:
    assert bench.get("2", headers, accept)[2:] == (content_type, [FRAMES[1]])


def test_an_answer_that_is_known_moves_no_frame(bench: Bench) -> None:
    bench.cache(1, 2, 3)
    tag = bench.get("2")[1]["ETag"]
    for _, block in bench.store.rows.values():
        take_away(block)

    status, headers, _, frames = bench.get("2", {**OHIF, "if-none-match": f'"other", W/{tag}'})

    assert (status, frames, headers["ETag"]) == (304, [b""], tag)
    assert bench.metrics["not_modified"] == 1


def test_entity_tags_differ_by_frame_shape_and_version(bench: Bench) -> None:
    tags = [
        bench.get("1")[1]["ETag"],
        bench.get("2")[1]["ETag"],
        bench.get("1,2")[1]["ETag"],
        bench.get("")[1]["ETag"],
        bench.get("1", {"accept": "application/octet-stream"})[1]["ETag"],
    ]
    bench.api.store(native(PIXELS), uuid=uuid(9))
    tags.append(bench.get("1")[1]["ETag"])

    assert len(set(tags)) == len(tags)
    assert all(tag[0] == tag[-1] == '"' for tag in tags)


def test_a_copy_that_a_browser_has_from_the_version_before_is_not_confirmed(bench: Bench) -> None:
    """It may be wrong. Version 1 had no number in its tags."""
    tag = bench.get("2")[1]["ETag"]
    assert tag.startswith('"2-')

    status, headers, _, frames = bench.get("2", {**OHIF, "if-none-match": tag.replace('"2-', '"')})

    assert (status, frames, headers["ETag"]) == (200, [FRAMES[1]], tag)


def test_a_known_tag_of_a_frame_that_does_not_exist_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound):
        bench.get("4", {**OHIF, "if-none-match": "*"})


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ("*", True),
        ('"b"', False),
        ("a", False),
        ("", False),
        (None, False),
    ],
)
def test_tags_are_compared_weakly(header: str | None, *, known: bool) -> None:
    assert is_known('"a"', header) is known


@given(st.text())
def test_no_if_none_match_breaks_an_answer(header: str) -> None:
    assert is_known('"a"', header) in (True, False)


@pytest.mark.parametrize(
    ("frame_list", "error", "message"),
    [
        ("4", NotFound, "no frame 4: the instance has 3 frames"),
        ("1,2,9", NotFound, "no frame 9"),
        ("0", BadRequest, "numbered from 1"),
        ("1,,2", BadRequest, "whole numbers"),
    ],
)
def test_frames_that_are_not_there_are_refused(
    bench: Bench, frame_list: str, error: type[FrameCacheError], message: str
) -> None:
    with pytest.raises(error, match=message):
        bench.get(frame_list)
    assert bench.pool.leased == 0


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"accept": "multipart/related; type=image/jp2"}, NotAcceptable),
        ({"accept": "image/jp2, image/jls"}, NotAcceptable),
        ({"accept": "rubbish"}, BadRequest),
    ],
)
def test_what_cannot_be_sent_is_refused(bench: Bench, headers: dict[str, str], error: type[FrameCacheError]) -> None:
    with pytest.raises(error):
        bench.get("1", headers)


def test_several_frames_do_not_fit_into_a_single_part(bench: Bench) -> None:
    with pytest.raises(NotAcceptable):
        bench.get("1,2", {"accept": "application/octet-stream"})


def test_uids_that_orthanc_does_not_know_are_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound):
        bench.retrieval.answer(FrameRequest(InstancePath(STUDY, SERIES, "9.9"), "1", OHIF))


def test_a_syntax_that_nobody_knows_is_not_acceptable(tmp_path: Path) -> None:
    """The stock plugin answers it with 500, even as it is stored."""
    bench = Bench(tmp_path)
    bench.api.store(native(PIXELS), syntax="1.2.3.4")

    with pytest.raises(NotAcceptable):
        bench.get("1")
    bench.desk.close()


def test_big_endian_is_sent_as_little_endian_without_a_codec(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    swapped = np.frombuffer(PIXELS, "u2").byteswap().tobytes()
    bench.api.store(native(swapped, BIG_ENDIAN, BitsAllocated=16, Columns=3), syntax=BIG_ENDIAN)

    assert bench.get("1,2,3")[3] == FRAMES
    bench.desk.close()


def test_a_video_has_no_frames(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.api.store(encapsulated([b"", b"x" * 10]), syntax="1.2.840.10008.1.2.4.102")

    with pytest.raises(NotAcceptable, match="video"):
        bench.get("1")
    bench.desk.close()


@pytest.mark.parametrize("asked", ["1,2,3", "2"])
@pytest.mark.parametrize("damage", ["header", "frame", "cut", "gone", "another"])
def test_a_damaged_block_is_dropped_and_the_file_answers(bench: Bench, damage: str, asked: str) -> None:
    entry = bench.cache(1, 2, 3)
    if damage not in ("header", "another"):
        bench.get("2")  # its header is known from now on
    block = entry.blocks[EXPLICIT, 2]
    content = bytearray(content_of(block))
    if damage == "gone":
        take_away(block)
    elif damage == "another":
        overwrite(block, content_of(entry.blocks[EXPLICIT, 3]))
    else:
        content[{"header": 20, "frame": -5, "cut": 0}[damage]] ^= 1
        overwrite(block, content[: -1 if damage == "cut" else None])

    _, headers, _, frames = bench.get(asked)

    assert frames == [FRAMES[int(number) - 1] for number in asked.split(",")]
    assert headers["X-Frame-Cache"] == "miss"
    assert (EXPLICIT, 2) not in entry.blocks
    assert (EXPLICIT, 1) in entry.blocks
    assert bench.wanted_frames == [2]
    cause = "evicted" if damage == "gone" else "damaged"
    assert bench.metrics.causes("misses") == {cause: 1}
    assert [(row.first, why) for row, why in entry.take_broken().items()] == [(2, cause)]


@pytest.mark.parametrize("longest_body", [MB, 10], ids=["whole", "frame by frame"])
def test_an_instance_that_was_evicted_is_answered_from_the_file(tmp_path: Path, longest_body: int) -> None:
    bench = Bench(tmp_path, longest_body)
    pixels = bytes(range(240))
    frames = [pixels[i : i + 24] for i in range(0, 240, 24)]
    bench.api.store(native(pixels, NumberOfFrames=10), number_of_frames=10)
    entry = bench.cache(*range(1, 11), frames=frames)
    assert bench.get("")[3] == frames
    for block in entry.blocks.values():
        take_away(block)

    assert bench.get("")[3] == frames
    assert not entry.blocks
    assert bench.metrics.causes("misses") == ({"evicted": 1} if longest_body == MB else {})  # there it had begun as hit
    bench.desk.close()


def test_all_frames_of_an_instance_that_is_replaced_meanwhile_are_those_of_the_new(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, opened = PIXELS[::-1], bench.frames.source

    def replace_and_open(entry: Entry, stack: Resources) -> FrameSource:
        if bench.api.instances[entry.instance.orthanc_id].uuid == UUID:
            bench.api.store(native(other), uuid=uuid(2))
        return opened(entry, stack)

    monkeypatch.setattr(bench.frames, "source", replace_and_open)

    assert b"".join(bench.get("")[3]) == other


def test_a_deleted_instance_is_not_served_from_the_cache(bench: Bench) -> None:
    entry = bench.cache(1, 2, 3)
    bench.api.delete(entry.instance.orthanc_id)

    with pytest.raises(NotFound):
        bench.get("1")


def test_an_overwritten_instance_is_served_as_it_is_now(bench: Bench) -> None:
    bench.cache(1, 2, 3)
    bench.api.store(native(PIXELS[::-1]), uuid=uuid(9))

    assert bench.get("1")[3] == [PIXELS[::-1][:24]]


def indexed(bench: Bench) -> Entry:
    """What index mode leaves of an instance: no block, and where its frames lie."""
    entry = bench.catalogue.lookup(PATH)
    bench.store.records.keep(entry.instance.to_json())
    bench.store.blocks.keep_index(entry.instance, sources(bench.api).index(entry))
    bench.catalogue.forget(entry.instance.orthanc_id)
    return bench.catalogue.lookup(PATH)


FRAGMENTED = ([b"", b"\xff\x4f\xff\x51a", b"b", b"\xff\x4f\xff\x51c"], [b"\xff\x4f\xff\x51ab", b"\xff\x4f\xff\x51c"])


@pytest.mark.parametrize("syntax", [EXPLICIT, JPEG_2000])
@pytest.mark.parametrize("asked", ["2", "1,2", "2,1,1", ""])
def test_an_indexed_instance_is_a_hit_out_of_its_stored_file(bench: Bench, asked: str, syntax: str) -> None:
    """Nobody looks for its frames: what leads to them is not there any more."""
    if syntax == JPEG_2000:
        bench.api.store(encapsulated(FRAGMENTED[0], NumberOfFrames=2), syntax=JPEG_2000, number_of_frames=2)
    frames = FRAGMENTED[1] if syntax == JPEG_2000 else FRAMES
    entry = indexed(bench)
    assert entry.stored_path is not None
    stored = Path(entry.stored_path)
    content = stored.read_bytes()
    begin = content.rindex(frames[0][:5])
    stored.write_bytes(bytes(begin) + content[begin:])
    status, headers, _, found = bench.get(asked)

    numbers = [int(number) for number in asked.split(",")] if asked else range(1, len(frames) + 1)
    assert (status, headers["X-Frame-Cache"]) == (200, "hit")
    assert found == [frames[number - 1] for number in numbers]
    assert bench.store.rows == {}
    assert bench.wanted_frames == []


def test_past_the_end_of_an_indexed_instance_there_is_nothing(bench: Bench) -> None:
    indexed(bench)

    with pytest.raises(NotFound, match="no frame 4: the instance has 3 frames"):
        bench.get("4")


@pytest.mark.parametrize("damage", [b"", b"rubbish"])
def test_a_damaged_index_is_no_index(bench: Bench, damage: bytes) -> None:
    entry = bench.catalogue.lookup(PATH)
    bench.store.blocks.keep_index(entry.instance, sources(bench.api).index(entry)[:-1] + damage)
    bench.catalogue.forget(entry.instance.orthanc_id)

    assert (bench.get("2")[1]["X-Frame-Cache"], bench.get("2")[3]) == ("miss", [FRAMES[1]])


def test_an_indexed_instance_that_was_deleted_or_overwritten_is_what_it_is_now(bench: Bench) -> None:
    entry = indexed(bench)
    bench.api.store(native(PIXELS[::-1]), uuid=uuid(9))
    assert bench.get("1")[3] == [PIXELS[::-1][:24]]
    bench.api.delete(entry.instance.orthanc_id)
    with pytest.raises(NotFound):
        bench.get("1")


def test_a_stored_file_that_goes_between_looking_and_reading_is_looked_up_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = indexed(bench)
    monkeypatch.setattr(bench.catalogue, "is_current", lambda _: True)
    bench.api.delete(entry.instance.orthanc_id)

    with pytest.raises(NotFound):
        bench.get("1")
    assert bench.pool.leased == 0


def test_an_index_is_left_alone_where_frames_are_to_be_copied(tmp_path: Path, bench: Bench) -> None:
    indexed(bench)
    copying = Catalogue(
        bench.api,
        bench.store,
        bench.desk,
        bench.clock,
        tmp_path / "db",
        5,
        decide=lambda _: Treatment("arrival", "copy"),
    )

    assert copying.lookup(PATH).index is None


def test_a_broken_file_is_an_error_of_ours_and_its_cached_frames_are_served(bench: Bench) -> None:
    entry = bench.cache(1)
    assert entry.stored_path
    stored = Path(entry.stored_path)
    stored.write_bytes(b"\0" * stored.stat().st_size)

    assert bench.get("1")[3] == [FRAMES[0]]
    with pytest.raises(FrameCacheError):
        bench.get("2")
    assert bench.pool.leased == 0


@pytest.mark.parametrize("first", [10, 2000])
def test_an_answer_that_is_too_long_is_sent_frame_by_frame(tmp_path: Path, first: int) -> None:
    """A blank first frame says nothing of the others."""
    bench = Bench(tmp_path, longest_body=4000)
    soc = b"\xff\x4f\xff\x51"
    frames = [soc + bytes(first), soc + bytes(3000), soc + bytes(3000)]
    bench.api.store(encapsulated([b"", *frames]), syntax=JPEG_2000)

    with bench.retrieval.answer(FrameRequest(PATH, "1,2,3", OHIF)) as answer:
        assert not isinstance(answer.body, memoryview)
        chunks = [bytes(chunk) for chunk in answer.body]
    assert [frame for _, frame in split(b"".join(chunks), UUID)] == frames
    assert len(chunks) == 4
    assert bench.pool.leased == 0
    bench.desk.close()


class GrowingCodecs:
    """Makes nearly nothing of the first frame, which is blank, and much of the others."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def transcode(self, header: bytes, frame: bytes | memoryview, frame_number: int, target: str) -> bytes:  # noqa: ARG002
        self.made.append(frame_number)
        return bytes(1 if frame_number == 1 else 3000)

    def render(self, *_: object) -> bytes:
        raise NotImplementedError


def test_no_more_frames_are_made_before_an_answer_begins_than_it_may_hold(tmp_path: Path) -> None:
    """They lie in memory, and nobody has asked whether there is room for them."""
    codecs = GrowingCodecs()
    bench = Bench(tmp_path, longest_body=10_000, codecs=codecs)
    bench.api.store(native(bytes(240), NumberOfFrames=10))

    with bench.retrieval.answer(FrameRequest(PATH, "1,2,3,4,5,6,7,8,9,10", {"accept": HTJ2K})) as answer:
        assert len(codecs.made) < 6
        assert not isinstance(answer.body, memoryview)
        body = b"".join(map(bytes, answer.body))
    assert [len(frame) for _, frame in split(body, UUID)] == [1, *([3000] * 9)]
    bench.desk.close()


def test_one_frame_is_sent_whole_however_long_it_is(tmp_path: Path) -> None:
    """A stream is always multipart, and one that is asked for as a single part has to be one."""
    bench = Bench(tmp_path, longest_body=10)
    bench.api.store(native(PIXELS))

    assert bench.get("2", {"accept": "application/octet-stream"})[2:] == (
        f"application/octet-stream; transfer-syntax={EXPLICIT}",
        [FRAMES[1]],
    )
    with bench.retrieval.answer(FrameRequest(PATH, "2", OHIF)) as answer:
        assert isinstance(answer.body, memoryview)
    bench.desk.close()
