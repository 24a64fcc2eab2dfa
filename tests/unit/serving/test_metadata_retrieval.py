"""Metadata as an answer: which instances, in which order, in which coding, and whether a client has it already."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from framecache.dicom.identity import InstancePath
from framecache.dicomweb.url import PublicUrl
from framecache.errors import NotAcceptable, NotFound, SharedUids, UnreadableHeader
from framecache.instances.headers import Headers
from framecache.instances.metadata import MetadataCatalogue, MetadataMaker
from framecache.serving.answer import Answer, Reporter
from framecache.serving.metadata_retrieval import MetadataRequest, MetadataRetrieval
from framecache.store.metadata import InstanceMetadata

from tests.unit.dicom_files import SERIES, STUDY, native
from tests.unit.fakes import FakeClock, FakeLog, WatchedStore, orthanc_id, uuid
from tests.unit.harness import Harness
from tests.unit.multipart_body import split

OTHER = "1.2.3.5"
AS_STOCK = "application/dicom+json"


def path(number: int, series: str = SERIES) -> InstancePath:
    return InstancePath(STUDY, series, f"{series}.{number}")


class Stage(Harness[WatchedStore, FakeClock]):
    """A metadata retrieval over an Orthanc of its own; what it makes is kept at once."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, WatchedStore(), FakeClock())
        reporter = Reporter(self.metrics, self.clock, "metadata", "no-cache", vary="Accept, Accept-Encoding")
        maker = MetadataMaker(Headers(self.api, folder / "db"))
        metadata = MetadataCatalogue(self.api, self.store.metadata, maker, self.catalogue, self.clock, 5.0)
        url = PublicUrl.from_configuration({})
        parts = (self.catalogue, metadata, self.desk, reporter, url, self.keep)
        self.retrieval = MetadataRetrieval(*parts)
        self.under_orthanc_s_compression = MetadataRetrieval(*parts, may_compress=False)
        self.under_other_settings = MetadataRetrieval(*parts, made_by="0a1b")

    def keep(self, made: Sequence[InstanceMetadata]) -> None:
        self.store.metadata.keep(made)

    def put(self, number: int, series: str = SERIES, **values: Any) -> None:
        content = native(bytes(72), SOPInstanceUID=f"{series}.{number}", SeriesInstanceUID=series)
        ids = {"orthanc_id": orthanc_id(number), "uuid": uuid(number), "path": path(number, series)}
        self.api.store(**{"content": content, **ids, **values})

    def ask(
        self, series: str | None = SERIES, instance: str | None = None, study: str = STUDY, **headers: str
    ) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.retrieval.answer(MetadataRequest(study, series, instance, {"host": "here", **named}))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


def body_of(answer: Answer) -> bytes:
    body = bytes(answer.body) if isinstance(answer.body, memoryview) else b"".join(map(bytes, answer.body))
    return gzip.decompress(body) if answer.headers.get("Content-Encoding") == "gzip" else body


def instances(answer: Answer) -> list[str]:
    return [one["00080018"]["Value"][0].rpartition(".")[2] for one in json.loads(body_of(answer))]


def test_a_series_comes_in_the_order_of_orthanc_s_ids_and_a_study_series_after_series(stage: Stage) -> None:
    for number, series in ((5, OTHER), (3, SERIES), (1, SERIES), (2, OTHER), (4, SERIES)):
        stage.put(number, series)

    assert instances(stage.ask(SERIES)) == ["1", "3", "4"]
    assert instances(stage.ask(None)) == ["2", "5", "1", "3", "4"]
    assert instances(stage.ask(SERIES, f"{SERIES}.4")) == ["4"]


def test_other_settings_give_other_entity_tags(stage: Stage) -> None:
    """A browser would go on with names that were decoded by another character set."""
    stage.put(1)
    tag = stage.ask().headers["ETag"]
    stage.retrieval = stage.under_other_settings
    assert stage.ask().headers["ETag"] != tag


def test_the_next_answer_has_what_arrived_and_lacks_what_was_deleted(stage: Stage) -> None:
    stage.put(1)
    tags = [stage.ask().headers["ETag"]]
    stage.put(2)
    tags.append(stage.ask().headers["ETag"])
    assert instances(stage.ask()) == ["1", "2"]
    stage.api.delete(orthanc_id(1))
    tags.append(stage.ask().headers["ETag"])
    assert instances(stage.ask()) == ["2"]
    stage.put(2, uuid=uuid(9))
    tags.append(stage.ask().headers["ETag"])

    assert len({*tags}) == 4


@pytest.mark.parametrize("series", [SERIES, None], ids=["series", "study"])
def test_what_arrived_in_place_of_another_shows_though_there_are_as_many(stage: Stage, series: str | None) -> None:
    for number in (1, 2):
        stage.put(number)
    stage.ask(series)
    stage.api.delete(orthanc_id(1))
    stage.put(3)

    assert instances(stage.ask(series)) == ["2", "3"]


def test_the_first_answer_is_a_miss_and_the_next_ones_are_hits(stage: Stage) -> None:
    stage.put(1)
    assert [stage.ask().headers["X-Frame-Cache"] for _ in range(3)] == ["miss", "hit", "hit"]
    stage.put(2)
    assert [stage.ask().headers["X-Frame-Cache"] for _ in range(2)] == ["miss", "hit"]
    assert (stage.metrics["hits"], stage.metrics["misses"]) == (0, 0), "they are those of frames"


def test_an_answer_that_was_joined_before_takes_one_question(stage: Stage) -> None:
    for number in range(20):
        stage.put(number)
    stage.ask()
    stage.api.calls.clear()

    assert len(instances(stage.ask())) == 20
    assert {*stage.api.calls} == {"POST /tools/find"}


def test_where_no_file_proves_anything_the_names_of_the_instances_are_asked_for(stage: Stage) -> None:
    stage.put(1)
    stage.put(2)
    stage.catalogue.trusts_files = False
    stage.ask()
    stage.api.delete(orthanc_id(1))
    stage.put(3)

    assert instances(stage.ask()) == ["2", "3"]


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_a_client_that_has_it_is_told_so(stage: Stage, coding: str) -> None:
    stage.put(1)
    tag = stage.ask(accept_encoding=coding).headers["ETag"]
    again = stage.ask(accept_encoding=coding, if_none_match=tag)

    assert (again.status, again.headers["ETag"], bytes(again.body)) == (304, tag, b"")  # type: ignore[arg-type]
    stage.put(2)
    assert stage.ask(accept_encoding=coding, if_none_match=tag).status == 200


def test_representations_have_tags_of_their_own(stage: Stage) -> None:
    stage.put(1)
    answers = [stage.ask(), stage.ask(accept_encoding="gzip"), stage.ask(host="elsewhere")]

    assert len({answer.headers["ETag"] for answer in answers}) == 3
    assert [answer.headers.get("Content-Encoding") for answer in answers] == [None, "gzip", None]
    assert all(answer.headers["Vary"] == "Accept, Accept-Encoding" for answer in answers)
    assert body_of(answers[0]) == body_of(answers[1])
    assert b"http://elsewhere/dicom-web/studies/1.2.3/series/" in body_of(answers[2])


XML = 'multipart/related; type="application/dicom+xml"'


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_xml_has_a_part_for_each_instance(stage: Stage, coding: str) -> None:
    for number in range(3):
        stage.put(number)
    answer = stage.ask(accept=XML, accept_encoding=coding, host="a&b")
    parts = split(body_of(answer), answer.content_type.rpartition("frame-cache-")[2])

    assert len(parts) == 3
    for number, (head, model) in enumerate(parts):
        assert b"Content-Type: application/dicom+xml\r\n" in head
        assert f"Content-Length: {len(model)}\r\n".encode() in head
        root = ElementTree.fromstring(model)  # noqa: S314 - it is ours
        values = {one.get("keyword"): one for one in root}
        assert values["SOPInstanceUID"][0].text == f"{SERIES}.{number}"
        assert str(values["PixelData"][0].get("uri")).startswith("http://a&b/dicom-web/studies/")
    assert answer.headers["ETag"] != stage.ask().headers["ETag"]
    tag = answer.headers["ETag"]
    assert stage.ask(accept=XML, accept_encoding=coding, host="a&b", if_none_match=tag).status == 304


def test_orthanc_may_compress_instead(stage: Stage) -> None:
    stage.put(1)
    request = MetadataRequest(STUDY, SERIES, None, {"host": "here", "accept-encoding": "gzip"})
    answer = stage.under_orthanc_s_compression.answer(request)

    assert "Content-Encoding" not in answer.headers
    assert json.loads(body_of(answer))


def test_equal_answers_are_equal_byte_by_byte(stage: Stage) -> None:
    stage.put(1)
    bodies = {bytes(stage.ask(accept_encoding="gzip", host="here").body) for _ in range(2)}  # type: ignore[arg-type]
    stage.clock.now += 100
    other = Stage(stage.api.storage.parent) if stage.api.storage else stage
    other.put(1)
    bodies.add(bytes(other.ask(accept_encoding="gzip").body))  # type: ignore[arg-type]
    other.close()

    assert len(bodies) == 1


def test_a_long_answer_comes_in_pieces_where_no_gzip_is_taken(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        stage.put(number)
    monkeypatch.setattr("framecache.serving.metadata_retrieval._LONGEST_BODY", 1000)
    monkeypatch.setattr("framecache.serving.metadata_retrieval._CHUNK", 1000)
    answer = stage.ask()

    assert not isinstance(answer.body, memoryview)
    chunks = [bytes(chunk) for chunk in answer.body]
    assert len(chunks) > 10
    assert len(json.loads(b"".join(chunks))) == 50
    assert isinstance(stage.ask(accept_encoding="gzip").body, memoryview)


@pytest.mark.parametrize(
    ("study", "series", "instance"),
    [
        (STUDY, OTHER, None),
        ("1.9", SERIES, None),
        ("1.9", None, None),
        (STUDY, SERIES, "1.9"),
        (STUDY, OTHER, f"{SERIES}.1"),
        (STUDY, "*", None),
        ("1.2.*", None, None),
        (STUDY, SERIES, "1\\2"),
    ],
)
def test_what_is_not_there_is_not_found(stage: Stage, study: str, series: str | None, instance: str | None) -> None:
    stage.put(1)

    with pytest.raises(NotFound):
        stage.ask(series, instance, study)


def test_a_study_of_two_patients_is_not_sent(stage: Stage) -> None:
    stage.put(1)
    stage.put(2, OTHER, tags={"study": "another"})

    with pytest.raises(SharedUids):
        stage.ask(None)


def test_other_media_types_are_not_acceptable(stage: Stage) -> None:
    stage.put(1)

    with pytest.raises(NotAcceptable):
        stage.ask(accept="text/html")


def test_one_that_cannot_be_read_is_left_out_and_alone_is_an_error(stage: Stage, log: FakeLog) -> None:
    stage.put(1)
    stage.put(2, content=b"no DICOM file")

    assert instances(stage.ask()) == ["1"]
    assert any(orthanc_id(2) in line for line in log.of("warning"))
    with pytest.raises(UnreadableHeader):
        stage.ask(SERIES, f"{SERIES}.2")


def test_a_store_that_fails_costs_only_time(stage: Stage) -> None:
    stage.put(1)
    stage.ask()
    stage.store.metadata.remove(lambda _: True)  # type: ignore[attr-defined]

    assert instances(stage.ask(host="elsewhere")) == ["1"]
