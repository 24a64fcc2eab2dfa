"""Frames in a form without loss: what decodes to other samples is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from framecache.codecs.direct_codecs import DirectCodecs
from framecache.codecs.lossless_form import LosslessForm
from framecache.codecs.process.errors import Unwritable
from framecache.codecs.targets import HTJ2K_LOSSLESS_RPCL, JPEG_BASELINE
from framecache.dicom.frame_source import read_frame
from framecache.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from framecache.policy.policy import gains_by_htj2k
from framecache.tree.source import Source, opened

from dev.sample import Sample


def header_and_frame(tmp_path: Path, kind: str, encoding: str) -> tuple[bytes, bytes]:
    path = Sample(frames=2, rows=33, columns=35, kind=kind, encoding=encoding).write(tmp_path / "sample.dcm")  # type: ignore[arg-type]
    with opened(Source.file(path)) as instance:
        return instance.frames.header(), bytes(read_frame(instance.frames, 2))


@pytest.mark.parametrize("kind", ["tomosynthesis", "ultrasound"])
@pytest.mark.parametrize("encoding", ["explicit", "implicit", "rle", "jpeg-2000"])
def test_the_form_has_the_samples_of_the_stored_frame(tmp_path: Path, kind: str, encoding: str) -> None:
    header, frame = header_and_frame(tmp_path, kind, encoding)
    made = LosslessForm(DirectCodecs(), HTJ2K_LOSSLESS_RPCL, gains_by_htj2k).make(header, frame, 2)
    assert made.startswith(b"\xff\x4f\xff\x51")
    assert made != frame


class Careless(DirectCodecs):
    """Encodes another frame."""

    def transcode(self, header: bytes, frame: bytes | memoryview, frame_number: int, target: str) -> bytes:
        other = bytes(len(frame)) if target == HTJ2K_LOSSLESS_RPCL else frame
        return super().transcode(header, other, frame_number, target)


def test_other_samples_are_refused(tmp_path: Path) -> None:
    header, frame = header_and_frame(tmp_path, "tomosynthesis", "explicit")
    with pytest.raises(Unwritable):
        LosslessForm(Careless(), HTJ2K_LOSSLESS_RPCL, gains_by_htj2k).make(header, frame, 2)


def test_a_lossy_form_is_refused(tmp_path: Path) -> None:
    header, frame = header_and_frame(tmp_path, "ultrasound", "explicit")
    with pytest.raises(Unwritable):
        LosslessForm(DirectCodecs(), JPEG_BASELINE, gains_by_htj2k).make(header, frame, 2)


@pytest.mark.parametrize(
    ("stored", "is_wanted"), [(EXPLICIT_VR_LITTLE_ENDIAN, True), (HTJ2K_LOSSLESS_RPCL, False), (JPEG_BASELINE, False)]
)
def test_it_is_wanted_of_what_gains_by_it(stored: str, is_wanted: bool) -> None:  # noqa: FBT001
    assert LosslessForm(DirectCodecs(), HTJ2K_LOSSLESS_RPCL, gains_by_htj2k).wants(stored) == is_wanted
