"""Whole studies and series: one file after the other, in the order of Orthanc's IDs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from framecache.codecs.direct_codecs import DirectCodecs
from framecache.dicom.identity import InstancePath
from framecache.errors import NotAcceptable, NotFound, SharedUids, SourceError
from framecache.serving.answer import Answer
from framecache.serving.study_retrieval import StudyRequest, StudyRetrieval

from tests.unit.dicom_files import IMPLICIT, JPEG_LS, SERIES, STUDY, encapsulated, native
from tests.unit.fakes import orthanc_id, uuid
from tests.unit.harness import FilesBench, sent
from tests.unit.multipart_body import split

AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
VIDEO = "1.2.840.10008.1.2.4.102"


def path(number: int, series: str = SERIES) -> InstancePath:
    return InstancePath(STUDY, series, f"{series}.{number}")


class Stage(FilesBench):
    """A study retrieval over an Orthanc of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.retrieval = StudyRetrieval(*self.parts)

    def put(self, number: int, content: bytes, series: str = SERIES, **values: object) -> None:
        ids = {"orthanc_id": orthanc_id(number), "uuid": uuid(number), "path": path(number, series)}
        self.api.store(content, **{**ids, **values})

    def answer(self, series: str | None = None, accept: str = AS_STORED, study: str = STUDY) -> Answer:
        return self.retrieval.answer(StudyRequest(study, series, {"accept": accept, "host": "here"}))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as stage:
        yield stage


def parts(body: bytes) -> list[tuple[str, bytes]]:
    """The last part of each location, and the file."""
    uuid = re.match(rb"--frame-cache-([0-9a-f-]+)\r\n", body)
    assert uuid
    found = []
    for header, content in split(body, uuid[1].decode()):
        location = re.search(rb"Content-Location: http://here/dicom-web/(\S+)", header)
        assert location
        found.append((location[1].decode(), content))
    return found


def test_the_files_of_a_study_come_in_the_order_of_their_ids(stage: Stage) -> None:
    files = {3: b"three", 1: b"one" * 500_000, 2: b"two"}
    for number, content in files.items():
        stage.put(number, content, SERIES if number == 1 else "1.2.9")
    answer = stage.answer()
    assert re.fullmatch(r'multipart/related; type="application/dicom"; boundary=frame-cache-\S+', answer.content_type)
    assert answer.length is None
    assert parts(sent(answer)) == [
        (str(path(1)), files[1]),
        (str(path(2, "1.2.9")), files[2]),
        (str(path(3, "1.2.9")), files[3]),
    ]


def test_a_series_has_its_own_files_only(stage: Stage) -> None:
    stage.put(1, b"one")
    stage.put(2, b"two", "1.2.9")
    assert [content for _, content in parts(sent(stage.answer(SERIES)))] == [b"one"]


def test_more_series_than_orthanc_answers_at_once(stage: Stage) -> None:
    for number in range(401):
        stage.put(number, b"%d" % number, f"1.2.9.{number}")
    assert len(parts(sent(stage.answer()))) == 401


@pytest.mark.parametrize(("study", "series"), [("9.9", None), (STUDY, "9.9"), ("9.9", SERIES)])
def test_what_is_not_there_is_not_found(stage: Stage, study: str, series: str | None) -> None:
    stage.put(1, b"one")
    with pytest.raises(NotFound):
        stage.answer(series, study=study)


@pytest.mark.parametrize(("study", "series"), [("*", None), (STUDY, "*"), ("1.2.?", SERIES), ("1.2\\1.3", None)])
def test_a_wildcard_is_no_uid(stage: Stage, study: str, series: str | None) -> None:
    stage.put(1, b"one")
    with pytest.raises(NotFound):
        stage.answer(series, study=study)


def test_a_study_of_two_patients_is_neither_s(stage: Stage) -> None:
    stage.put(1, b"one")
    stage.put(2, b"two", "1.2.9", tags={"study": "another"})
    with pytest.raises(SharedUids):
        stage.answer()


def test_what_is_deleted_before_its_turn_is_left_out(stage: Stage) -> None:
    for number in (1, 2, 3):
        stage.put(number, b"file %d" % number)
    with stage.answer() as answer:
        assert not isinstance(answer.body, memoryview)
        first = bytes(next(answer.body))
        stage.api.delete(orthanc_id(2))
        rest = b"".join(map(bytes, answer.body))
    assert [content for _, content in parts(first + rest)] == [b"file 1", b"file 3"]


def test_what_cannot_be_read_ends_the_answer_before_its_end(stage: Stage) -> None:
    for number in (1, 2):
        stage.put(number, b"file %d" % number * 1000)
    with stage.answer() as answer:
        assert not isinstance(answer.body, memoryview)
        next(answer.body)
        stage.api.broken = True
        with pytest.raises(SourceError):
            list(answer.body)


def test_each_file_is_transcoded_by_itself(stage: Stage) -> None:
    stage.put(1, native(bytes(72)))
    stage.put(2, native(bytes(72), IMPLICIT), syntax=IMPLICIT)
    asked = AS_STORED.replace("*", JPEG_LS)
    for (_, content), number in zip(parts(sent(stage.answer(accept=asked))), (1, 2), strict=True):
        assert JPEG_LS.encode() in content[:400], number


def test_without_a_transfer_syntax_what_cannot_be_decoded_comes_as_stored(stage: Stage) -> None:
    stage.put(1, native(bytes(72), IMPLICIT), syntax=IMPLICIT)
    stage.put(2, b"video", syntax=VIDEO)
    explicit, video = parts(sent(stage.answer(accept="*/*")))
    assert b"1.2.840.10008.1.2.1\0" in explicit[1][:400]
    assert video[1] == b"video"


def test_without_a_transfer_syntax_a_frame_that_is_broken_keeps_no_other_file_back(stage: Stage) -> None:
    frame = DirectCodecs().transcode(native(bytes(72)), bytes(24), 1, JPEG_LS)
    broken = encapsulated([b"", frame, b"ab", b"ab"], JPEG_LS)
    stage.put(1, broken, syntax=JPEG_LS)
    stage.put(2, native(bytes(72)))
    assert [content for _, content in parts(sent(stage.answer(accept="*/*")))] == [broken, native(bytes(72))]


@pytest.mark.parametrize("accept", ["application/dicom", "application/zip", "image/jpeg", "application/dicom+json"])
def test_several_files_come_in_parts_or_not_at_all(stage: Stage, accept: str) -> None:
    stage.put(1, b"one")
    with pytest.raises(NotAcceptable):
        stage.answer(accept=accept)


def test_what_the_first_file_cannot_be_had_as_is_refused(stage: Stage) -> None:
    stage.put(1, b"video", syntax=VIDEO)
    with pytest.raises(NotAcceptable):
        stage.answer(accept=AS_STORED.replace("*", JPEG_LS))


def test_a_long_study_holds_one_chunk_of_memory(stage: Stage) -> None:
    for number in range(3):
        stage.put(number, bytes(10 << 20))
    with stage.answer() as answer:
        assert not isinstance(answer.body, memoryview)
        most = max(stage.pool.leased for _ in answer.body)
    assert most <= 1 << 20


def test_who_has_seen_an_answer_knows_no_boundary_of_the_next(stage: Stage) -> None:
    """A file that was made after the first, and stored into the same series, could hold it."""
    stage.put(1, b"one")
    first, second = stage.answer(), stage.answer()
    assert first.content_type != second.content_type
    assert parts(sent(first)) == parts(sent(second))
