"""The cases: a question that any DICOMClient can be asked, and what is right to answer.

An answer is a value that can be compared, a `Refusal`, or ValueError for what dicomweb-client does not ask. Where
another server is known to answer something else, the case says what: `but` has its answer by the name of the kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import imagecodecs
import numpy as np
import requests
from dicomweb_client.protocol import DICOMClient
from pydicom import Dataset

from tests.clients.conformance.corpus import (
    COLUMNS,
    CORPUS,
    CT,
    EXPLICIT,
    JPEG_2000,
    LETTER,
    LOOP,
    ROWS,
    SLICES,
    US,
    VOLUME,
    Stored,
)

STUDY, SERIES, INSTANCE, RETRIEVE_URL = "0020000D", "0020000E", "00080018", "00081190"
ANYTHING = (("application/octet-stream", "*"),)
CHEST, HEAD, ABDOMEN = (one.uids[0] for one in (SLICES[0], VOLUME, LOOP))
ALL_STUDIES = {CHEST, HEAD, ABDOMEN}
RLE, JPEG_LS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80"


@dataclass(frozen=True)
class Refusal:
    """An HTTPError of one of these statuses."""

    statuses: frozenset[int]

    def __init__(self, *statuses: int) -> None:
        object.__setattr__(self, "statuses", frozenset(statuses))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Refusal) and bool(self.statuses & other.statuses)

    def __hash__(self) -> int:
        return 0


@dataclass(frozen=True)
class Question:
    """`ask` makes an answer of what a client says."""

    name: str
    ask: Callable[[DICOMClient], Any]
    answer: Any
    but: Mapping[str, Any] = field(default_factory=dict)

    def asked_of(self, client: DICOMClient) -> Any:
        """The client's answer."""
        try:
            return self.ask(client)
        except requests.HTTPError as error:
            is_refused_here = isinstance(error, ValueError) and self.answer is ValueError
            return ValueError if is_refused_here else Refusal(error.response.status_code)
        except ValueError:
            return ValueError  # before anything was asked


def studies(**filters: Any) -> Callable[[DICOMClient], Any]:
    """A search for studies by `filters`, of which those that have the name of an argument are that."""
    arguments = _arguments(filters)
    return lambda client: uids(client.search_for_studies(**arguments), STUDY)


def series(study: str | None = None, **filters: Any) -> Callable[[DICOMClient], Any]:
    arguments = _arguments(filters)
    return lambda client: uids(client.search_for_series(study, **arguments), SERIES)


def instances(study: str | None = None, series_uid: str | None = None, **filters: Any) -> Callable[[DICOMClient], Any]:
    arguments = _arguments(filters)
    return lambda client: uids(client.search_for_instances(study, series_uid, **arguments), INSTANCE)


_NAMES = ("fuzzymatching", "limit", "offset", "fields", "get_remaining")


def _arguments(filters: Mapping[str, Any]) -> dict[str, Any]:
    named = {name: value for name, value in filters.items() if name in _NAMES}
    searched = {name.replace("__", "."): value for name, value in filters.items() if name not in _NAMES}
    return {**named, "search_filters": searched}


def uids(results: Sequence[Mapping[str, Any]], tag: str) -> set[str]:
    """Those of the results, which come in any order."""
    found = [str(result[tag]["Value"][0]) for result in results]
    assert len(found) == len(set(found)), "a result came twice"
    return set(found)


def attributes(*tags: str, **filters: Any) -> Callable[[DICOMClient], Any]:
    """Values of the one study that is found."""

    def ask(client: DICOMClient) -> Any:
        [result] = client.search_for_studies(**_arguments(filters))
        return values(result, *tags)

    return ask


def values(result: Mapping[str, Any], *tags: str) -> dict[str, Any]:
    """The values of `tags`, None where there are none. IS and DS may be text or numbers (PS3.18 annex F.2.3)."""
    return {tag: _comparable(result.get(tag, {})) for tag in tags}


def _comparable(element: Mapping[str, Any]) -> Any:
    found = [one for one in element.get("Value", []) if one is not None]
    if not found:
        return None
    return [str(one) if element["vr"] in ("IS", "DS") else one for one in found]


def frames(stored: Stored, numbers: Sequence[int], *media_types: Any) -> Callable[[DICOMClient], Any]:
    wanted = media_types or None
    return lambda client: client.retrieve_instance_frames(*stored.uids, list(numbers), wanted)


def iterated_frames(stored: Stored, numbers: Sequence[int], *media_types: Any) -> Callable[[DICOMClient], Any]:
    return lambda client: list(client.iter_instance_frames(*stored.uids, list(numbers), media_types or None))


def decoded(stored: Stored, number: int, media_type: str, syntax: str) -> Callable[[DICOMClient], Any]:
    """A frame in another transfer syntax, as pixels."""
    decoders: dict[str, Callable[[bytes], Any]] = {
        "image/jp2": imagecodecs.jpeg2k_decode,
        "image/jls": imagecodecs.jpegls_decode,
    }

    def ask(client: DICOMClient) -> Any:
        [frame] = client.retrieve_instance_frames(*stored.uids, [number], ((media_type, syntax),))
        return np.asarray(decoders[media_type](frame)).tolist()

    return ask


def octets(stored: Stored, *numbers: int) -> list[bytes]:
    return [stored.pixels(number).tobytes() for number in numbers]


def picture(call: Callable[[DICOMClient], bytes]) -> Callable[[DICOMClient], Any]:
    """The shape of a picture, and its first and last column: black to white where no window says something else."""

    def ask(client: DICOMClient) -> Any:
        content = call(client)
        is_jpeg = content[:2] == b"\xff\xd8"
        shown = np.asarray(imagecodecs.jpeg8_decode(content) if is_jpeg else imagecodecs.png_decode(content))
        return ("jpeg" if is_jpeg else "png", shown.shape, bool(shown[0, 0] < 40), bool(shown[0, -1] > 215))

    return ask


def data_sets(call: Callable[[DICOMClient], Any]) -> Callable[[DICOMClient], Any]:
    """Which data sets came, in which transfer syntax, and the octets of their pixels."""
    return lambda client: {_data_set(one) for one in call(client)}


def _data_set(one: Dataset) -> tuple[str, str, bytes]:
    pixels = one.pixel_array.astype("<u2").tobytes() if "PixelData" in one else b""
    return str(one.SOPInstanceUID), str(one.file_meta.TransferSyntaxUID), pixels


def whole(stored: Stored, syntax: str | None = None) -> tuple[str, str, bytes]:
    return stored.uids[2], syntax or stored.syntax, b"".join(octets(stored, *range(1, stored.frames + 1)))


def bulk_data(stored: Stored, tag: str, byte_range: tuple[int, int] | None = None) -> Callable[[DICOMClient], Any]:
    """What the BulkDataURI of the instance's metadata leads to."""

    def ask(client: DICOMClient) -> Any:
        uri = str(client.retrieve_instance_metadata(*stored.uids)[tag]["BulkDataURI"])
        # dicomweb-client sends a Host header without the port, and so the URI that it gets has none.
        url = client.base_url + "".join(uri.partition("/studies/")[1:])
        return [bytes(one) for one in client.retrieve_bulkdata(url, ("application/octet-stream",), byte_range)]

    return ask


def metadata(stored: Stored, *tags: str) -> Callable[[DICOMClient], Any]:
    return lambda client: values(client.retrieve_instance_metadata(*stored.uids), *tags)


def of(*stored: Stored, level: int = 2) -> set[str]:
    return {one.uids[level] for one in stored}


IGNORED = ALL_STUDIES  # by Orthanc's own search: QIDO-RS is not the plugin's


def search_questions() -> Iterator[Question]:
    yield Question("all studies", studies(), ALL_STUDIES)
    yield Question("one value", studies(PatientID="P2"), {HEAD})
    yield Question("by tag", studies(**{"00100020": "P2"}), {HEAD})
    yield Question("a value that is nowhere", studies(PatientID="P"), set())
    yield Question("an empty value matches all", studies(PatientID=""), ALL_STUDIES)
    yield Question("wildcards", studies(PatientName="SM?TH*"), {HEAD})
    yield Question("a wildcard in front", studies(StudyDescription="*Chest"), {CHEST})
    yield Question("a name in any case", studies(PatientName="smith^john"), {HEAD})
    yield Question("a name beyond ASCII", studies(PatientName="Müller*"), {CHEST, ABDOMEN})
    yield Question("a list of UIDs", studies(StudyInstanceUID=f"{CHEST},{HEAD}"), {CHEST, HEAD})
    yield Question("a day", studies(StudyDate="20210315"), {HEAD})
    yield Question("days", studies(StudyDate="20210101-20211231"), {HEAD, ABDOMEN})
    yield Question("until a day", studies(StudyDate="-20200102"), {CHEST})
    yield Question("from a day", studies(StudyDate="20211201-"), {ABDOMEN})
    yield Question("a time of any day", studies(StudyTime="0800-0959"), {CHEST, ABDOMEN})
    yield Question("a modality within studies", studies(ModalitiesInStudy="DOC"), {CHEST})
    yield Question("a list", studies(StudyInstanceUID=[CHEST, HEAD]), {CHEST, HEAD})
    yield Question("a date", studies(StudyDate=date(2021, 3, 15)), {HEAD})
    yield Question("two conditions", studies(PatientID="P1", StudyDate="20210101-"), {ABDOMEN})
    yield Question("wildcards in a date", studies(StudyDate="2021*"), Refusal(400))
    yield Question("conditions of which one fails", studies(PatientID="P1", AccessionNumber="A2"), set())
    yield Question("an attribute that cannot be searched", studies(NoSuchAttribute="1"), Refusal(400), {"web": IGNORED})
    yield Question("an attribute of a lower level", studies(SeriesNumber="1"), Refusal(400), {"web": {CHEST, ABDOMEN}})
    yield Question(
        "a name that is nearly right", studies(PatientName="Smyth", fuzzymatching=True), {HEAD}, {"web": set()}
    )
    yield Question("how many", lambda client: len(client.search_for_studies(limit=2)), 2)
    yield Question("behind the last", studies(offset=3), set())
    yield Question("pages", _pages, ALL_STUDIES)
    yield Question("the rest", studies(limit=1, get_remaining=True), ALL_STUDIES)
    yield Question("series of all studies", series(), of(*CORPUS, level=1))
    yield Question("series of a study", series(CHEST), of(SLICES[0], LETTER, level=1))
    yield Question("series by modality", series(Modality="MR"), of(VOLUME, level=1))
    yield Question("series by an attribute of their study", series(PatientID="P2"), of(VOLUME, level=1))
    yield Question("series of a study that is not there", series("1.2.3"), set())
    yield Question(
        "series by a request",
        series(RequestAttributesSequence__ScheduledProcedureStepID="SPS7"),
        of(VOLUME, level=1),
        {"web": of(*CORPUS, level=1)},  # ignored as well
    )
    yield Question("all instances", instances(), of(*CORPUS))
    yield Question("instances of a study", instances(CHEST), of(*SLICES, LETTER))
    yield Question("instances of a series", instances(*SLICES[0].uids[:2]), of(*SLICES))
    yield Question("instances by class", instances(SOPClassUID=US), of(LOOP))
    yield Question("instances by number", instances(CHEST, InstanceNumber=2), of(SLICES[1]))
    yield Question("instances by attributes of all levels", instances(PatientID="P1", Modality="CT"), of(*SLICES))


def _pages(client: DICOMClient) -> set[str]:
    found: set[str] = set()
    for offset in range(3):
        page = uids(client.search_for_studies(limit=1, offset=offset), STUDY)
        assert not page & found, "pages overlap"
        found |= page
    return found


def attribute_questions() -> Iterator[Question]:
    yield Question(
        "what is told of a study",
        attributes("00080020", "00080061", "00100010", "00100020", "00201206", "00201208", PatientID="P2"),
        {
            "00080020": ["20210315"],
            "00080061": ["MR"],
            "00100010": [{"Alphabetic": "Smith^John"}],
            "00100020": ["P2"],
            "00201206": ["1"],
            "00201208": ["1"],
        },
    )
    yield Question(
        "names beyond ASCII", attributes("00100010", AccessionNumber="A1"), {"00100010": [{"Alphabetic": "Müller^Eva"}]}
    )
    yield Question(
        "a field that is asked for",
        attributes("00081030", AccessionNumber="A1", fields=["StudyDescription"]),
        {"00081030": ["CT Chest"]},
    )
    yield Question(
        "what an instance says of itself",
        metadata(LOOP, "00080016", "00080060", "00280008", "00280010", "00201209", "00100020"),
        {
            "00080016": [US],
            "00080060": ["US"],
            "00280008": ["3"],
            "00280010": [ROWS],
            "00201209": None,
            "00100020": ["P1"],
        },
    )
    yield Question(
        "metadata of a series",
        lambda client: uids(client.retrieve_series_metadata(*SLICES[0].uids[:2]), INSTANCE),
        of(*SLICES),
    )
    yield Question(
        "metadata of a study", lambda client: uids(client.retrieve_study_metadata(CHEST), INSTANCE), of(*SLICES, LETTER)
    )
    yield Question(
        "metadata of what is not there", lambda client: client.retrieve_study_metadata("1.2.3"), Refusal(404)
    )
    document = bytes(LETTER.data_set.EncapsulatedDocument)
    yield Question("bulk data", bulk_data(LETTER, "00420011"), [document + b"\0" * (len(document) % 2)])
    yield Question("pixels as bulk data", bulk_data(SLICES[0], "7FE00010"), octets(SLICES[0], 1))


def frame_questions() -> Iterator[Question]:
    yield Question("a frame", frames(VOLUME, [2]), octets(VOLUME, 2))
    yield Question("frames in any order", frames(VOLUME, [4, 1, 3]), octets(VOLUME, 4, 1, 3))
    yield Question("a frame twice", frames(VOLUME, [2, 2]), octets(VOLUME, 2, 2))
    yield Question("the only frame", frames(SLICES[2], [1]), octets(SLICES[2], 1))
    yield Question("frames one after the other", iterated_frames(VOLUME, [1, 2, 3, 4]), octets(VOLUME, 1, 2, 3, 4))
    yield Question("compressed frames, decoded by default", frames(LOOP, [3, 1]), octets(LOOP, 3, 1))
    yield Question(
        "compressed frames as stored",
        frames(LOOP, [1, 3], ("image/jp2", JPEG_2000)),
        [LOOP.payload(number) + b"\0" * (len(LOOP.payload(number)) % 2) for number in (1, 3)],
    )
    yield Question(
        "native frames as octets of a named syntax",
        frames(VOLUME, [1], ("application/octet-stream", EXPLICIT)),
        octets(VOLUME, 1),
    )
    yield Question("native frames compressed", decoded(VOLUME, 3, "image/jls", JPEG_LS), VOLUME.pixels(3).tolist())
    yield Question("compressed anew", decoded(LOOP, 2, "image/jls", JPEG_LS), LOOP.pixels(2).tolist())
    yield Question(
        "a form that nobody makes", frames(VOLUME, [1], ("video/mp4", "1.2.840.10008.1.2.4.102")), Refusal(406)
    )
    yield Question("frame 0", frames(VOLUME, [0]), Refusal(400))
    yield Question("a negative number", frames(VOLUME, [-1]), Refusal(400))
    yield Question("past the last frame", frames(VOLUME, [5]), Refusal(404))
    yield Question("past the last frame in a list", frames(VOLUME, [1, 5]), Refusal(404))
    yield Question(
        "an instance of another series",
        lambda client: client.retrieve_instance_frames(*SLICES[0].uids[:2], VOLUME.uids[2], [1]),
        Refusal(404),
    )
    yield Question("letters in a UID", _frame_of("1.2a"), Refusal(404))
    yield Question("a UID that is too long", _frame_of(f"1.{'2' * 80}"), Refusal(404))
    yield Question("a media type of no frame", frames(VOLUME, [1], "foo/bar"), Refusal(406))
    yield Question("a media type of no picture", lambda client: _rendered_as(client, "text/plain"), Refusal(406))
    yield Question(
        "an instance that is not there",
        lambda client: client.retrieve_instance_frames("1.2", "1.3", "1.4", [1]),
        Refusal(404),
    )


def _frame_of(sop_instance_uid: str) -> Callable[[DICOMClient], Any]:
    return lambda client: client.retrieve_instance_frames(*VOLUME.uids[:2], sop_instance_uid, [1])


def _rendered_as(client: DICOMClient, media_type: str) -> bytes:
    return client.retrieve_instance_rendered(*VOLUME.uids, (media_type,))


def picture_questions() -> Iterator[Question]:
    shape, whole_range = (ROWS, COLUMNS), (True, True)
    one = VOLUME.uids
    yield Question(
        "a frame as a picture",
        picture(lambda client: client.retrieve_instance_frames_rendered(*one, [2])),
        ("jpeg", shape, *whole_range),
    )
    yield Question(
        "as a PNG",
        picture(lambda client: client.retrieve_instance_frames_rendered(*one, [4], ("image/png",))),
        ("png", shape, *whole_range),
    )
    yield Question(
        "a window above all values",
        picture(lambda client: client.retrieve_instance_rendered(*one, ("image/png",), {"window": "60000,10,linear"})),
        ("png", shape, True, False),
    )
    yield Question(
        "a viewport",
        picture(lambda client: client.retrieve_instance_rendered(*one, ("image/png",), {"viewport": "24,16"})),
        ("png", (16, 24), *whole_range),
    )
    yield Question(
        "a compressed instance",
        picture(lambda client: client.retrieve_instance_rendered(*LOOP.uids)),
        ("jpeg", shape, *whole_range),
    )
    yield Question(
        "a series",
        picture(lambda client: client.retrieve_series_rendered(*SLICES[0].uids[:2])),
        ("jpeg", shape, *whole_range),
    )
    yield Question(
        "a quality that is none",
        lambda client: client.retrieve_instance_rendered(*one, None, {"quality": 200}),
        Refusal(400),
    )
    yield Question(
        "a picture past the last frame",
        lambda client: client.retrieve_instance_frames_rendered(*one, [9]),
        Refusal(404),
    )


def file_questions() -> Iterator[Question]:
    native, stored_dicom = ("application/dicom",), (("application/dicom", "*"),)
    yield Question(
        "an instance as stored", data_sets(lambda client: [client.retrieve_instance(*LOOP.uids)]), {whole(LOOP)}
    )
    yield Question(
        "an instance in the default syntax",
        data_sets(lambda client: [client.retrieve_instance(*LOOP.uids, native)]),
        {whole(LOOP, EXPLICIT)},
    )
    yield Question(
        "an instance compressed",
        data_sets(lambda client: [client.retrieve_instance(*VOLUME.uids, (("application/dicom", JPEG_2000),))]),
        {whole(VOLUME, JPEG_2000)},
    )
    yield Question(
        "a series in the default syntax",
        data_sets(lambda client: client.retrieve_series(*VOLUME.uids[:2])),
        {whole(VOLUME, EXPLICIT)},
    )
    yield Question(
        "a study as stored",
        data_sets(lambda client: client.iter_study(CHEST, stored_dicom)),
        {*map(whole, (*SLICES, LETTER))},
    )
    yield Question(
        "a series one by one", data_sets(lambda client: client.iter_series(*SLICES[0].uids[:2])), {*map(whole, SLICES)}
    )
    yield Question(
        "an instance as something else",
        lambda client: client.retrieve_instance(*SLICES[0].uids, ("application/octet-stream",)),
        ValueError,
    )
    yield Question("a study that is not there", lambda client: client.retrieve_study("1.2.3"), Refusal(404))
    yield Question(
        "an instance that is nowhere", lambda client: client.retrieve_instance("1.2", "1.3", "1.4"), Refusal(404)
    )
    yield Question(
        "the class of an instance", lambda client: str(client.retrieve_instance(*SLICES[0].uids).SOPClassUID), CT
    )


QUESTIONS = (
    *search_questions(),
    *attribute_questions(),
    *frame_questions(),
    *picture_questions(),
    *file_questions(),
)
