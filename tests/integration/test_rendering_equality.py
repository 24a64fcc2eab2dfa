"""What a helper process draws is what the stock DICOMweb plugin draws: PNG to the last pixel, JPEG to the last byte.

Both sides are asked for the same instances and parameters; the stock side is a real Orthanc without our plugin, with
GDCM as Debian installs it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import imagecodecs
import numpy as np
import pytest
import requests
from framecache.codecs.process.decoding import decode
from framecache.codecs.process.pixels import PixelDescription
from framecache.codecs.process.rendering import render
from framecache.dicomweb.rendering_parameters import JPEG, PNG, parse_rendering
from framecache.errors import BadRequest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.encaps import get_frame

from dev.orthanc_server import OrthancServer
from dev.sample import Sample
from tests.integration.pictures import COLUMNS, FRAMES, ROWS, colours, greys, instance

pytestmark = pytest.mark.orthanc

STOCK_PLUGINS = ("OrthancDicomWeb", "OrthancGdcm")
SAMPLES = {
    "tomosynthesis": Sample(frames=FRAMES, rows=ROWS, columns=COLUMNS),
    "mammogram": Sample(kind="mammogram", rows=300, columns=200, seed=1),
    "ultrasound": Sample(kind="ultrasound", frames=FRAMES, rows=ROWS, columns=COLUMNS, seed=2),
    "JPEG-LS": Sample(frames=FRAMES, rows=ROWS, columns=COLUMNS, encoding="jpeg-ls", seed=3),
    "RLE": Sample(frames=FRAMES, rows=ROWS, columns=COLUMNS, encoding="rle", seed=4),
    "JPEG 2000": Sample(frames=FRAMES, rows=ROWS, columns=COLUMNS, encoding="jpeg-2000", seed=5),
}
LOSSY = {
    "JPEG": Sample(frames=FRAMES, rows=ROWS, columns=COLUMNS, encoding="jpeg", seed=6),
    "colour JPEG": replace(SAMPLES["ultrasound"], encoding="jpeg", seed=7),
}
KINDS = greys() | colours()
QUERIES = (
    "",
    "window=1200,1900,linear",
    "window=1200,1900,linear-exact",
    "window=1200.5,1.9e3,sigmoid",
    "window=100,0.5,linear",
    "window=100,90,linear&viewport=200,100",
    "viewport=30,30",
    "viewport=,20",
    "viewport=77,200",
    "viewport=30,30,5,7,20,31",
    "viewport=33,31,5.5,7.5,-20.4,-31.5",
    "viewport=30,30,,,17,",
    "viewport=30,30,100,1,10,10",
    "viewport=30,30,-5,-7,1000,1000",
    "viewport=1,100",
    "quality=1",
    "quality=100&viewport=90,99",
)
# It answers 500.
UNKNOWN_TO_STOCK = {("trixie", "RGB of 16 bits"), ("trixie", "palette of 65536")}
# In grey levels: its decoder of lossy frames is another than ours.
DECODERS_DIFFER_BY = 2


@pytest.fixture(scope="module")
def instances(folder: Path) -> dict[str, Dataset]:
    """Every instance of the table, by its name."""
    written = {name: sample.write(folder / "sample.dcm").read_bytes() for name, sample in (SAMPLES | LOSSY).items()}
    return KINDS | {name: dcmread(io.BytesIO(content)) for name, content in written.items()}


@pytest.fixture(scope="module")
def stock(suite: str, folder: Path, instances: dict[str, Dataset]) -> Iterator[Stock]:
    """An Orthanc without our plugin that holds them."""
    with OrthancServer(suite, folder / "orthanc", {}, plugins=STOCK_PLUGINS) as server:
        stock = Stock(server.url)
        for data_set in instances.values():
            stock.store(data_set)
        yield stock
        server.kill()  # an end takes seconds, and is not the point


class Stock:
    """The stock plugin of one Orthanc, over one connection: it would else be most of the time."""

    def __init__(self, url: str) -> None:
        self._url, self._session = url, requests.Session()

    def store(self, data_set: Dataset) -> None:
        stream = io.BytesIO()
        dcmwrite(stream, data_set, enforce_file_format=True)
        self._session.post(f"{self._url}/instances", data=stream.getvalue(), timeout=60).raise_for_status()

    def get(self, path: str, accept: str = JPEG) -> requests.Response:
        return self._session.get(f"{self._url}/dicom-web/{path}", headers={"Accept": accept}, timeout=60)


def path_of(data_set: Dataset) -> str:
    return (
        f"studies/{data_set.StudyInstanceUID}/series/{data_set.SeriesInstanceUID}/instances/{data_set.SOPInstanceUID}"
    )


def frame_path(data_set: Dataset, frame_number: int, query: str) -> str:
    return f"{path_of(data_set)}/frames/{frame_number}/rendered" + (f"?{query}" if query else "")


def ours(data_set: Dataset, frame_number: int, query: str, media_type: str) -> bytes:
    """What the helper process makes of the frame."""
    description = PixelDescription.from_data_set(data_set)
    decoded = decode(stored_frame(data_set, frame_number, description), description)
    parameters = parse_rendering(dict(parse_qsl(query, keep_blank_values=True)), media_type)
    return render(data_set, decoded, frame_number, parameters.to_message())


def stored_frame(data_set: Dataset, frame_number: int, description: PixelDescription) -> bytes:
    if data_set.file_meta.TransferSyntaxUID.is_encapsulated:
        return get_frame(data_set.PixelData, frame_number - 1, number_of_frames=int(data_set.NumberOfFrames))
    if description.bits_allocated == 1:  # frames are not aligned to bytes (PS3.5 section 8.1.1)
        bits = np.unpackbits(np.frombuffer(data_set.PixelData, np.uint8), bitorder="little")
        size = description.rows * description.columns
        return np.packbits(bits[(frame_number - 1) * size : frame_number * size], bitorder="little").tobytes()
    size = description.decoded_size
    return bytes(data_set.PixelData[(frame_number - 1) * size : frame_number * size])


@pytest.mark.parametrize("name", [*KINDS, *SAMPLES])
def test_pictures_are_the_stock_plugins(suite: str, stock: Stock, instances: dict[str, Dataset], name: str) -> None:
    data_set = instances[name]
    if (suite, name) in UNKNOWN_TO_STOCK:
        assert stock.get(frame_path(data_set, 1, "")).status_code == 500
        return
    for query in QUERIES:
        for frame_number in range(1, int(data_set.NumberOfFrames) + 1):
            path = frame_path(data_set, frame_number, query)
            png, jpeg = stock.get(path, PNG), stock.get(path, JPEG)
            assert (png.headers["Content-Type"], jpeg.headers["Content-Type"]) == (PNG, JPEG), (png.text, path)
            drawn = imagecodecs.png_decode(ours(data_set, frame_number, query, PNG))
            np.testing.assert_array_equal(drawn, imagecodecs.png_decode(png.content), err_msg=path)
            # Not only as many grey levels: the same quantization, the same subsampling of colour.
            assert ours(data_set, frame_number, query, JPEG) == jpeg.content, path


@pytest.mark.parametrize("query", ["", "window=1200,1900,linear", "viewport=30,30,5,7,20,31"])
@pytest.mark.parametrize("name", LOSSY)
def test_pictures_of_lossy_frames_differ_as_little_as_the_decoders(
    stock: Stock, instances: dict[str, Dataset], name: str, query: str
) -> None:
    data_set = instances[name]
    for frame_number in range(1, FRAMES + 1):
        theirs = imagecodecs.png_decode(stock.get(frame_path(data_set, frame_number, query), PNG).content)
        drawn = imagecodecs.png_decode(ours(data_set, frame_number, query, PNG))
        assert drawn.shape == theirs.shape
        assert np.abs(drawn.astype(int) - theirs).max() <= DECODERS_DIFFER_BY


@pytest.mark.parametrize("level", ["studies", "series", "instances"])
@pytest.mark.parametrize("name", ["12 bits", "tomosynthesis"])
def test_a_thumbnail_is_the_rendered_resource_of_the_first_frame(
    stock: Stock, instances: dict[str, Dataset], name: str, level: str
) -> None:
    path = path_of(instances[name])
    above = {"studies": path.split("/series/")[0], "series": path.split("/instances/")[0], "instances": path}[level]
    for query in ("", "?viewport=20,20", "?window=1200,1900,linear&quality=10"):
        thumbnail, rendered = stock.get(f"{above}/thumbnail{query}"), stock.get(f"{above}/rendered{query}")
        assert thumbnail.content == rendered.content
        if level == "instances":
            assert thumbnail.content == ours(instances[name], 1, query.removeprefix("?"), JPEG)


def test_a_series_is_shown_by_its_instance_with_the_smallest_orthanc_id(stock: Stock) -> None:
    members = [
        instance(f"{number}", np.full((1, 16, 20 + number), number, np.uint16), SeriesInstanceUID="2.25.1002")
        for number in range(6)
    ]
    for member in members:
        stock.store(member)
    first = min(members, key=orthanc_id)
    shown = imagecodecs.jpeg_decode(stock.get(f"{path_of(first).split('/instances/')[0]}/thumbnail").content)
    assert shown.shape == (first.Rows, first.Columns)


def orthanc_id(data_set: Dataset) -> str:
    """SHA-1 of the patient's ID and the three UIDs, in five groups."""
    names = (data_set.PatientID, data_set.StudyInstanceUID, data_set.SeriesInstanceUID, data_set.SOPInstanceUID)
    digest = hashlib.sha1("|".join(names).encode()).hexdigest()  # noqa: S324 - Orthanc's choice
    return "-".join(digest[start : start + 8] for start in range(0, 40, 8))


@pytest.mark.parametrize(
    "query",
    [
        "quality=0",
        "quality=101",
        "quality=best",
        "quality=",
        "window=",
        "window=1,2",
        "window=1,2,LINEAR",
        "window=a,2,linear",
        "viewport=10",
        "viewport=10,10,1",
        "viewport=-10,10",
        "viewport=1.5,10",
        "viewport=10,10,a,1,1,1",
    ],
)
def test_what_the_stock_plugin_refuses_we_refuse(stock: Stock, query: str) -> None:
    assert stock.get(frame_path(KINDS["12 bits"], 1, query)).status_code == 400
    with pytest.raises(BadRequest):
        parse_rendering(dict(parse_qsl(query, keep_blank_values=True)), JPEG)
