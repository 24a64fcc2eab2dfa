"""A real OHIF in a real Chromium reads studies from a real Orthanc, and its frames come from the cache."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Response
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRBigEndian

from dev.orthanc_folder import SUITES
from dev.orthanc_server import OrthancServer
from dev.sample import Sample
from dev.upload import upload
from tests.viewer.conftest import store
from tests.viewer.looking import scroll_through
from tests.viewer.ohif import tab

pytestmark = [pytest.mark.viewer, pytest.mark.orthanc, pytest.mark.slow]

FRAMES = 4
SMALL = Sample(frames=FRAMES, rows=512, columns=384)
SAMPLES = {
    "tomosynthesis": replace(SMALL, seed=1),
    "tomosynthesis in JPEG 2000": replace(SMALL, seed=2, encoding="jpeg-2000"),
    "tomosynthesis in HTJ2K": replace(SMALL, seed=3, encoding="htj2k"),
    "tomosynthesis in JPEG-LS": replace(SMALL, seed=4, encoding="jpeg-ls"),
    "tomosynthesis in RLE": replace(SMALL, seed=5, encoding="rle"),
    "colour ultrasound": replace(SMALL, seed=6, kind="ultrasound"),
    "colour ultrasound in JPEG": replace(SMALL, seed=7, kind="ultrasound", encoding="jpeg"),
}
# The frames of the other syntaxes go through both Orthancs alike, and each opening of OHIF takes seconds: the older one
# shows native frames in the tests below. It comes first: pytest would put what has one name side by side, and start the
# newer one twice.
OPENINGS = [(SUITES[0], "tomosynthesis in JPEG 2000"), *((SUITES[-1], name) for name in SAMPLES)]
NOT_MODIFIED_BYTES = 1000  # an answer's headers


@pytest.mark.parametrize(("orthanc", "name"), OPENINGS, indirect=["orthanc"], scope="module")
def test_every_frame_is_shown_and_comes_from_the_cache(
    name: str, orthanc: OrthancServer, browser: BrowserContext, artifacts: Path
) -> None:
    sample = SAMPLES[name]
    instance = store(orthanc, sample)

    metadata = list[Response]()
    with tab(browser) as ohif:
        ohif.page.on("response", lambda answer: metadata.append(answer) if answer.url.endswith("/metadata") else None)
        answers = scroll_through(ohif, orthanc.url, instance, sample)
        ohif.page.screenshot(path=artifacts / f"ohif {orthanc.installed.suite} {name}.png")

    assert {answer.frame_number for answer in answers} == set(range(1, FRAMES + 1))
    assert {(answer.status, answer.outcome, answer.handed_over) for answer in answers} == {(200, "hit", False)}
    assert all(sample.transfer_syntax_uid in answer.content_type for answer in answers)
    told = {(answer.headers.get("x-frame-cache"), answer.headers.get("content-encoding")) for answer in metadata}
    assert told == {("hit", "gzip")}, "and so does what it has to know of the series before"


def test_a_second_opening_moves_no_frame_bytes(orthanc: OrthancServer, browser: BrowserContext) -> None:
    sample = replace(SMALL, seed=8)
    instance = store(orthanc, sample)
    frame_size = sample.rows * sample.columns * 2

    with tab(browser) as ohif:
        first = scroll_through(ohif, orthanc.url, instance, sample)
    with tab(browser) as ohif:
        second = scroll_through(ohif, orthanc.url, instance, sample)

    assert sum(answer.received for answer in first) > FRAMES * frame_size
    assert {answer.frame_number for answer in second} == set(range(1, FRAMES + 1))
    assert {(answer.status, answer.outcome) for answer in second} == {(304, "hit")}
    assert max(answer.received for answer in second) < NOT_MODIFIED_BYTES


def test_frames_that_the_plugin_does_not_answer_itself_are_shown_too(
    orthanc: OrthancServer, browser: BrowserContext
) -> None:
    """Big Endian pixels have to be turned before they are sent; a viewer follows whoever does it."""
    sample = replace(SMALL, seed=9)
    [instance] = upload(orthanc.url, write_big_endian(sample, orthanc.folder / "big-endian.dcm"))

    with tab(browser) as ohif:
        answers = scroll_through(ohif, orthanc.url, instance, sample)

    assert {answer.frame_number for answer in answers} == set(range(1, FRAMES + 1))
    assert {answer.status for answer in answers} == {200}
    assert all(answer.handed_over or answer.outcome for answer in answers)


def write_big_endian(sample: Sample, path: Path) -> Path:
    """The sample as Explicit VR Big Endian (retired, PS3.5 A.3)."""
    native = dcmread(sample.write(path))
    dataset = Dataset()
    dataset.update({element.tag: element for element in native})
    dataset.PixelData = np.frombuffer(native.PixelData, "<u2").astype(">u2").tobytes()
    dataset.file_meta = native.file_meta
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset.save_as(path, implicit_vr=False, little_endian=False, enforce_file_format=True)
    return path
