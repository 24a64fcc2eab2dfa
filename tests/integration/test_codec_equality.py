"""We decode a frame as Orthanc does, Orthanc reads what we encode, and we read what Orthanc encodes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import requests
from framecache.codecs.process.decoding import decode
from framecache.codecs.process.encoding import encode
from framecache.codecs.process.native import explicit
from framecache.codecs.process.pixels import PixelDescription
from framecache.codecs.targets import JPEG_BASELINE, JPEG_EXTENDED
from framecache.dicom.transfer_syntax import Encoding, lookup

from dev.orthanc_server import OrthancServer
from tests.unit.codecs.process.frames import Frame, frames

pytestmark = pytest.mark.orthanc

EXPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"
JPEG_LOSSLESS, JPEG_LS, JPEG_2000 = (f"1.2.840.10008.1.2.4.{number}" for number in (70, 80, 90))
JPEG_LOSSLESS_ANY, JPEG_LS_NEAR = "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.81"
# As Debian's own configuration file has it: DCMTK decodes all but JPEG 2000, which is left to GDCM.
CONFIGURATION = {"Gdcm": {"Enable": True, "Throttling": 4}}
# GDCM makes 8 bits of what BitsAllocated says to be 16.
DIFFERENT = "JPEG 2000 8 bits in 16"
UNKNOWN_TO_ORTHANC = ("image/jphc", "image/jxl")
UNDER_WAY = ("Pending", "Running")
MOST_GREY_LEVELS = 2
FRAMES = [frame for frame in frames() if lookup(frame.transfer_syntax_uid).media_type not in UNKNOWN_TO_ORTHANC]
NATIVE = [frame for frame in FRAMES if frame.transfer_syntax_uid == EXPLICIT and frame.bits_stored <= 16]
COMPARABLE = [frame for frame in FRAMES if frame.transfer_syntax_uid != EXPLICIT and frame.name != DIFFERENT]
# JPEG-LS of signed pixels ends trixie's Orthanc.
UNSIGNED = [frame for frame in NATIVE if frame.pixels.dtype.kind == "u"]


class Transcoder:
    """Orthanc, used for its codecs."""

    def __init__(self, url: str) -> None:
        self._url = url

    def transcode(self, content: bytes, target: str) -> bytes:
        """The only frame of a DICOM file in another transfer syntax.

        By a job: GDCM of trixie takes more stack than an HTTP thread of Orthanc has, and would end the server.
        """
        stored = requests.post(f"{self._url}/instances", data=content, timeout=30)
        stored.raise_for_status()
        series = stored.json()["ParentSeries"]
        before = self._instances()
        order = {"Transcode": target, "Replace": {"SeriesDescription": "transcoded"}, "Asynchronous": True}
        job = requests.post(f"{self._url}/series/{series}/modify", json=order, timeout=30).json()["ID"]
        while (state := requests.get(f"{self._url}/jobs/{job}", timeout=30).json()["State"]) not in (
            "Success",
            "Failure",
        ):
            time.sleep(0.02)
        assert state == "Success"
        (made,) = self._instances() - before
        metadata = requests.get(f"{self._url}/instances/{made}/metadata/TransferSyntax", timeout=30)
        assert metadata.text == target
        frame = requests.get(f"{self._url}/instances/{made}/frames/0/raw", timeout=30).content
        for instance in (made, stored.json()["ID"]):
            requests.delete(f"{self._url}/instances/{instance}", timeout=30)
        return frame

    def _instances(self) -> set[str]:
        return set(requests.get(f"{self._url}/instances", timeout=30).json())


@pytest.fixture(scope="module")
def orthanc(suite: str, folder: Path) -> Iterator[Transcoder]:
    with OrthancServer(suite, folder / "transcoder", CONFIGURATION, plugins=("OrthancGdcm",)) as server:
        yield Transcoder(server.url)
        server.kill()  # an end takes seconds, and is not the point


def to_explicit(frame: Frame) -> bytes:
    description = PixelDescription.from_data_set(frame.data_set())
    if lookup(frame.transfer_syntax_uid).encoding is Encoding.NATIVE:
        return explicit(frame.stored, description)
    return encode(decode(frame.stored, description), description, EXPLICIT)


def compressed(frame: Frame, stream: bytes, syntax: str) -> Frame:
    """The code stream of RGB in JPEG 2000 has a colour transform, which the header of a stored instance names."""
    is_transformed = syntax == JPEG_2000 and frame.samples_per_pixel > 1
    photometric = "YBR_RCT" if is_transformed else frame.photometric_interpretation
    return replace(frame, stored=stream, transfer_syntax_uid=syntax, photometric_interpretation=photometric)


@pytest.mark.parametrize("frame", COMPARABLE, ids=lambda f: f.name)
def test_explicit_little_endian_is_what_orthanc_makes_of_a_frame(orthanc: Transcoder, frame: Frame) -> None:
    ours, theirs = to_explicit(frame), orthanc.transcode(frame.file(), EXPLICIT)
    if frame.lossy or frame.mislabelled:
        assert len(ours) == len(theirs)
        samples = (np.frombuffer(content, frame.pixels.dtype).astype(int) for content in (ours, theirs))
        assert np.abs(np.subtract(*samples)).max() <= MOST_GREY_LEVELS
    else:
        assert ours == theirs


@pytest.mark.parametrize("target", [RLE, JPEG_LOSSLESS_ANY, JPEG_LOSSLESS, JPEG_LS, JPEG_LS_NEAR, JPEG_2000])
@pytest.mark.parametrize("frame", NATIVE, ids=lambda f: f.name)
def test_orthanc_reads_what_we_encode(orthanc: Transcoder, frame: Frame, target: str) -> None:
    description = PixelDescription.from_data_set(frame.data_set())
    stream = encode(decode(frame.stored, description), description, target)
    # The code stream of RGB has a colour transform, which the header of a stored instance has to name.
    photometric = (
        "YBR_RCT" if target == JPEG_2000 and frame.samples_per_pixel == 3 else frame.photometric_interpretation
    )
    stored = replace(frame, stored=stream, transfer_syntax_uid=target, photometric_interpretation=photometric)
    keeps_planes = target in (RLE, JPEG_LS, JPEG_LS_NEAR)
    by_pixel = frame.samples_per_pixel == 1 or frame.planar_configuration == 0 or not keeps_planes
    expected = frame.pixels if by_pixel else np.moveaxis(frame.pixels, 2, 0)
    assert orthanc.transcode(stored.file(), EXPLICIT) == expected.tobytes()


@pytest.mark.parametrize(
    ("frame", "target"),
    [
        (frame, target)
        for frame in UNSIGNED
        for target, depths in {JPEG_BASELINE: [(1, 8)], JPEG_EXTENDED: [(1, 8), (2, 12)]}.items()
        if (frame.pixels.itemsize, frame.bits_stored) in depths and frame.photometric_interpretation != "PALETTE COLOR"
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_orthanc_sees_in_our_lossy_frames_what_went_in(orthanc: Transcoder, frame: Frame, target: str) -> None:
    description = PixelDescription.from_data_set(frame.data_set())
    stream = encode(decode(frame.stored, description), description, target)
    content = orthanc.transcode(replace(frame, stored=stream, transfer_syntax_uid=target).file(), EXPLICIT)
    pixels = np.frombuffer(content, frame.pixels.dtype).reshape(frame.pixels.shape)
    assert np.abs(pixels.astype(int) - frame.pixels).max() < (1 << frame.bits_stored) / 16


@pytest.mark.parametrize("syntax", [JPEG_LOSSLESS, JPEG_LS, JPEG_2000])
@pytest.mark.parametrize("frame", [f for f in UNSIGNED if f.planar_configuration == 0], ids=lambda f: f.name)
def test_we_read_what_orthanc_encodes(orthanc: Transcoder, frame: Frame, syntax: str) -> None:
    stream = orthanc.transcode(frame.file(), syntax)
    photometric = (
        "YBR_RCT" if syntax == JPEG_2000 and frame.samples_per_pixel == 3 else frame.photometric_interpretation
    )
    stored = replace(frame, stored=stream, transfer_syntax_uid=syntax, photometric_interpretation=photometric)
    pixels = decode(stream, PixelDescription.from_data_set(stored.data_set())).pixels
    # JPEG and JPEG-LS know no sign: bits above HighBit are not what they were.
    unused = 8 * pixels.itemsize - frame.bits_stored
    assert np.array_equal(pixels << unused, frame.pixels << unused)
