"""Whole instances: which form is chosen, and what goes out of files that are there, gone, cut short or compressed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from framecache.codecs.direct_codecs import DirectCodecs
from framecache.codecs.process.errors import CodecError
from framecache.dicomweb.file_form import FileForm, choose_form
from framecache.dicomweb.multipart import Multipart
from framecache.errors import BadRequest, BrokenPixelData, NotAcceptable, NotFound, SourceError
from framecache.serving.answer import Answer
from framecache.serving.instance_retrieval import InstanceRequest, InstanceRetrieval
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dicom_files import (
    BIG_ENDIAN,
    DEFLATED,
    END_OF_SEQUENCE,
    EXPLICIT,
    IMPLICIT,
    JPEG_2000,
    JPEG_LS,
    encapsulated,
    encoded,
    image,
    native,
)
from tests.unit.fakes import ORTHANC_ID, PATH, UUID, find_answer, uuid
from tests.unit.harness import FilesBench, sent

DICOM = "application/dicom"
PARTS = Multipart("application/dicom", UUID)
STONE = f'multipart/related; type="{DICOM}"; transfer-syntax='
SMALL, LARGE = bytes(range(256)) * 10, bytes(range(256)) * 40_001  # a body, and eleven chunks
PIXELS = bytes(range(72))  # three frames of 4 by 6
RLE, VIDEO = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.102"
STORED = InstanceRequest(PATH, {"accept": f"{STONE}*", "host": "here"})


class Stage(FilesBench):
    """An instance retrieval over an Orthanc of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.retrieval = InstanceRetrieval(*self.parts)

    @property
    def file(self) -> Path:
        return self.api.path_of(find_answer())

    def answer(self, accept: str = f"{STONE}*", **headers: str) -> Answer:
        return self.retrieval.answer(InstanceRequest(PATH, {"accept": accept, "host": "here", **headers}))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as stage:
        yield stage


def in_parts(content: bytes) -> bytes:
    header = (
        f"--{PARTS.boundary}\r\nContent-Location: http://here/dicom-web/{PATH}\r\nContent-Type: {DICOM}\r\n"
        f"Content-Length: {len(content)}\r\nMIME-Version: 1.0\r\n\r\n"
    )
    return header.encode() + content + PARTS.closing


@pytest.mark.parametrize(
    ("accept", "stored", "form"),
    [
        (None, EXPLICIT, FileForm(EXPLICIT, multipart=True)),
        ("", JPEG_LS, FileForm(EXPLICIT, multipart=True)),
        ("*/*", JPEG_LS, FileForm(EXPLICIT, multipart=True)),
        ("multipart/related", JPEG_LS, FileForm(EXPLICIT, multipart=True)),
        (f"{STONE}*", JPEG_LS, FileForm(JPEG_LS, multipart=True)),
        (f'{STONE}"*"', JPEG_LS, FileForm(JPEG_LS, multipart=True)),
        (f"{STONE}{JPEG_LS}", JPEG_LS, FileForm(JPEG_LS, multipart=True)),
        (f"{STONE}{JPEG_2000}", JPEG_LS, FileForm(JPEG_2000, multipart=True)),
        (f"multipart/related; type={DICOM}; transfer-syntax=*", JPEG_LS, FileForm(JPEG_LS, multipart=True)),
        ("Multipart/Related; Type=Application/Dicom; transfer-syntax=*", JPEG_LS, FileForm(JPEG_LS, multipart=True)),
        (DICOM, JPEG_LS, FileForm(EXPLICIT, multipart=False)),
        (f"{DICOM}; transfer-syntax=*", JPEG_LS, FileForm(JPEG_LS, multipart=False)),
        (f"image/jpeg, {DICOM}; transfer-syntax=*", JPEG_LS, FileForm(JPEG_LS, multipart=False)),
        (f"{DICOM}; transfer-syntax={JPEG_2000}, {STONE}*", JPEG_LS, FileForm(JPEG_LS, multipart=True)),
        (f"{STONE}*; q=0.5, {DICOM}; transfer-syntax={JPEG_2000}", JPEG_LS, FileForm(JPEG_2000, multipart=False)),
        (f"{STONE}*, {DICOM}; transfer-syntax=*", JPEG_LS, FileForm(JPEG_LS, multipart=True)),
    ],
)
def test_what_needs_no_transcoding_wins_among_equals(accept: str | None, stored: str, form: FileForm) -> None:
    assert choose_form(accept, stored) == form


@pytest.mark.parametrize("accept", ["image/jpeg", f"{STONE}*; q=0", 'multipart/related; type="image/jp2"'])
def test_another_media_type_is_not_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptable) as caught:
        choose_form(accept, JPEG_LS)
    assert caught.value.available == (f"{STONE}*", f"{STONE}{JPEG_LS}")


@pytest.mark.parametrize("syntax", ["hello", '"../../x"', "1.2/3", '"1.2?x=1"'])
def test_a_transfer_syntax_is_a_uid(syntax: str) -> None:
    """It becomes part of a URI of Orthanc's own API."""
    with pytest.raises(BadRequest):
        choose_form(STONE + syntax, JPEG_LS)


@given(st.text(max_size=60))
def test_any_accept_is_answered_or_refused(accept: str) -> None:
    try:
        form = choose_form(accept, JPEG_LS)
    except (BadRequest, NotAcceptable):
        return
    assert form.transfer_syntax_uid


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_the_stored_file_goes_out_as_a_part_and_alone(stage: Stage, content: bytes) -> None:
    stage.api.store(content)
    answer = stage.answer()
    assert answer.content_type == f'multipart/related; type="{DICOM}"; boundary={PARTS.boundary}'
    assert sent(answer) == in_parts(content)
    alone = stage.answer(f"{DICOM}; transfer-syntax=*")
    assert (alone.content_type, sent(alone)) == (DICOM, content)
    assert not [call for call in stage.api.calls if "/file" in call]


def test_a_large_file_holds_one_chunk_of_memory(stage: Stage) -> None:
    stage.api.store(LARGE)
    with stage.answer() as answer:
        assert not isinstance(answer.body, memoryview)
        assert 0 < stage.pool.leased < len(LARGE) / 8


def test_the_entity_tag_names_the_version_and_the_shape(stage: Stage) -> None:
    stage.api.store(SMALL)
    tags = []
    for accept in (f"{STONE}*", f"{DICOM}; transfer-syntax=*"):
        with stage.answer(accept) as answer:
            tags.append(answer.headers["ETag"])
    assert tags == [f'"{UUID}-m"', f'"{UUID}-s"']
    for tag, status in zip(tags, (304, 200), strict=True):
        with stage.answer(**{"if-none-match": tag}) as answer:
            assert answer.status == status


def test_a_file_cut_short_while_it_is_sent_breaks_off(stage: Stage) -> None:
    stage.api.store(LARGE)
    with stage.answer() as answer:
        assert not isinstance(answer.body, memoryview)
        next(answer.body)
        with stage.file.open("r+b") as file:
            file.truncate(100)
        with pytest.raises(SourceError):
            next(answer.body)


def test_a_file_deleted_while_it_is_sent_arrives_whole(stage: Stage) -> None:
    stage.api.store(LARGE)
    answer = stage.answer()
    stage.api.delete(ORTHANC_ID)
    assert sent(answer) == in_parts(LARGE)
    with pytest.raises(NotFound):
        stage.answer()


def test_what_is_no_plain_file_comes_from_the_core(stage: Stage) -> None:
    stage.api.store(LARGE, stored_size=100)
    answer = stage.answer()
    assert (answer.headers["X-Frame-Cache"], sent(answer)) == ("bypass", in_parts(LARGE))


def test_a_file_that_is_replaced_before_the_core_reads_it_has_the_entity_tag_of_the_new_one(stage: Stage) -> None:
    """Orthanc gives the file of an ID, whatever version that now is."""
    stage.api.store(LARGE, stored_size=100)
    stage.answer().__exit__()
    stage.api.store(SMALL, stored_size=100, uuid=uuid(1))

    answer = stage.answer(f"{DICOM}; transfer-syntax=*")
    assert (sent(answer), uuid(1) in answer.headers["ETag"]) == (SMALL, True)


def test_another_transfer_syntax_is_made_here_and_has_no_entity_tag(stage: Stage) -> None:
    stage.api.store(native(PIXELS))
    answer = stage.answer(f"{DICOM}; transfer-syntax={JPEG_LS}")
    assert "ETag" not in answer.headers
    assert answer.headers["X-Frame-Cache"] == "file"
    made = pydicom.dcmread(BytesIO(sent(answer)))
    assert (made.file_meta.TransferSyntaxUID, made.NumberOfFrames) == (JPEG_LS, 3)
    assert not [call for call in stage.api.calls if "/file" in call]


@pytest.mark.parametrize("syntax", [IMPLICIT, JPEG_LS])
def test_a_part_has_its_length_where_that_is_known_by_then(stage: Stage, syntax: str) -> None:
    stage.api.store(native(PIXELS))
    answer = stage.answer(STONE + syntax)
    body = sent(answer)
    header, _, rest = body.partition(b"\r\n\r\n")
    assert int(header.partition(b"Content-Length: ")[2].split(b"\r\n")[0]) == len(rest) - len(PARTS.closing)


def test_a_long_transcoded_file_is_sent_while_it_is_made(stage: Stage) -> None:
    noise = random.Random(1).randbytes(4 * 2048 * 2048)
    stage.api.store(native(noise, Rows=2048, Columns=2048, NumberOfFrames=4))
    with stage.answer(f"{DICOM}; transfer-syntax={RLE}") as answer:
        assert not isinstance(answer.body, memoryview)
        assert answer.length is None
        assert b"".join(map(bytes, answer.body)).endswith(END_OF_SEQUENCE)


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG_ENDIAN, DEFLATED, JPEG_2000])
def test_a_document_is_written_anew(stage: Stage, syntax: str) -> None:
    """One that is said to be in a compressed transfer syntax has nothing that is."""
    stage.api.store(encoded(image(ContentQualification="RESEARCH")))
    made = pydicom.dcmread(BytesIO(sent(stage.answer(f"{DICOM}; transfer-syntax={syntax}"))))
    assert made.file_meta.TransferSyntaxUID == syntax
    assert made == image(ContentQualification="RESEARCH")


@pytest.mark.parametrize("syntax", [BIG_ENDIAN, DEFLATED])
def test_native_pixels_are_written_anew_in_what_the_web_should_not_use(stage: Stage, syntax: str) -> None:
    words: dict[str, Any] = {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "NumberOfFrames": 1}
    pixels = bytes(range(48))
    stage.api.store(native(pixels, **words))
    made = pydicom.dcmread(BytesIO(sent(stage.answer(f"{DICOM}; transfer-syntax={syntax}"))))
    assert made.pixel_array.astype("<u2").tobytes() == pixels


def test_nothing_is_ever_transcoded_by_the_core(stage: Stage) -> None:
    for content, syntax in ((native(PIXELS), BIG_ENDIAN), (encoded(image()), IMPLICIT), (native(PIXELS), RLE)):
        stage.api.store(content)
        sent(stage.answer(STONE + syntax))
    assert not [call for call in stage.api.calls if "transcode" in call]


@pytest.mark.parametrize(
    ("content", "values", "syntax"),
    [
        pytest.param(native(PIXELS), {}, "9.9", id="a syntax of nobody"),
        pytest.param(native(bytes(9), BitsAllocated=1, BitsStored=1, HighBit=0), {}, JPEG_LS, id="single bits"),
        pytest.param(native(bytes(288), BitsAllocated=32, BitsStored=32, HighBit=31), {}, JPEG_2000, id="32 bits"),
        pytest.param(SMALL, {"syntax": VIDEO}, EXPLICIT, id="video"),
        pytest.param(SMALL, {"syntax": "1.2.3"}, EXPLICIT, id="stored in a syntax of nobody"),
        pytest.param(encapsulated([b"", b"x"] * 3, JPEG_2000), {"syntax": JPEG_2000}, DEFLATED, id="to deflated"),
    ],
)
def test_what_cannot_be_had_is_not_acceptable_with_what_can(
    stage: Stage, content: bytes, values: Mapping[str, Any], syntax: str
) -> None:
    stage.api.store(content, **values)
    with pytest.raises(NotAcceptable) as caught:
        stage.answer(STONE + syntax)
    assert caught.value.available[0] == f"{STONE}*"


@pytest.mark.parametrize("accept", [None, "*/*", "multipart/related", f'multipart/related; type="{DICOM}"'])
@pytest.mark.parametrize(
    ("content", "syntax"),
    [
        pytest.param(SMALL, VIDEO, id="video"),
        pytest.param(SMALL, "1.2.3", id="a syntax of nobody"),
        pytest.param(encapsulated([b"", b"ab", b"ab", b"ab"], JPEG_2000), JPEG_2000, id="broken"),
        pytest.param(native(PIXELS[:40], DEFLATED), DEFLATED, id="cut short"),
    ],
)
def test_whoever_names_no_transfer_syntax_gets_the_stored_one_rather_than_nothing(
    stage: Stage, content: bytes, syntax: str, accept: str | None
) -> None:
    stage.api.store(content, syntax=syntax)
    assert sent(stage.answer(accept or "")) == in_parts(content)


def test_a_broken_frame_is_an_error_for_whoever_names_a_transfer_syntax(stage: Stage) -> None:
    stage.api.store(encapsulated([b"", b"ab", b"ab", b"ab"], JPEG_2000), syntax=JPEG_2000)
    with pytest.raises(CodecError):
        stage.answer(STONE + EXPLICIT)
    stage.api.store(encapsulated([b"", b"ab"], JPEG_2000), syntax=JPEG_2000)
    with pytest.raises(BrokenPixelData):
        stage.answer(STONE + EXPLICIT)


def test_a_later_frame_that_is_broken_is_met_before_a_short_answer_begins(stage: Stage) -> None:
    frames = [DirectCodecs().transcode(native(PIXELS), PIXELS[:24], 1, JPEG_LS), b"ab", b"ab"]
    content = encapsulated([b"", *frames], JPEG_LS)
    stage.api.store(content, syntax=JPEG_LS)
    assert sent(stage.answer("*/*")) == in_parts(content)
    with pytest.raises(CodecError):
        stage.answer(STONE + EXPLICIT)
    with pytest.raises(CodecError):
        stage.answer(STONE + JPEG_2000)


def test_an_unknown_instance_is_not_found(stage: Stage) -> None:
    with pytest.raises(NotFound):
        stage.answer()
