"""OHIF's mode for slides in a real Chromium: its tiles are in their places, and come from the cache."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import BrowserContext

from dev.orthanc_folder import SUITES
from dev.orthanc_server import OrthancServer
from dev.slide import Level, slide
from tests.viewer.conftest import store
from tests.viewer.ohif import Microscopy, microscopy_tab
from tests.viewer.picture import Levels
from tests.viewer.traffic import FrameAnswer

pytestmark = [pytest.mark.viewer, pytest.mark.orthanc, pytest.mark.slow]

# Both Orthancs answer for tiles in the same way, and each opening of OHIF takes seconds.
OPENINGS = [(SUITES[0], "jpeg"), *((SUITES[-1], encoding) for encoding in ("explicit", "jpeg", "jpeg-2000", "htj2k"))]
# Mean levels of 255 between the slide and its picture, which is put together of coarser tiles: 2 if it is right, 37 if
# it is turned.
DIFFERENCE = 5.0


@pytest.mark.parametrize(("orthanc", "encoding"), OPENINGS, indirect=["orthanc"])
def test_a_slide_is_shown_from_the_cache_and_again_from_the_browsers_own(
    encoding: str, orthanc: OrthancServer, browser: BrowserContext, artifacts: Path
) -> None:
    levels = slide(encoding, seed=1 + OPENINGS.index((orthanc.installed.suite, encoding)))
    for level in levels:
        instance = store(orthanc, level)

    seen = []
    for _ in ("first", "second"):
        with microscopy_tab(browser) as microscopy:
            microscopy.open(orthanc.url, instance)
            seen.append(look(microscopy, levels[0]))
            microscopy.page.screenshot(path=artifacts / f"microscopy {orthanc.installed.suite} {encoding}.png")

    first, second = seen
    assert {(answer.outcome, answer.handed_over) for answer in first} == {("hit", False)}
    # The overview in the corner is made of tiles that are seen already.
    assert {answer.status for answer in first} <= {200, 304}
    assert {answer.sop_instance_uid for answer in first} == {level.sop_instance_uid for level in levels}
    assert {(answer.status, answer.outcome) for answer in second} == {(304, "hit")}


def look(microscopy: Microscopy, finest: Level) -> list[FrameAnswer]:
    """Wait until the slide is shown, look closer, and return all answers to requests for tiles."""
    expected = whole(finest)

    def difference() -> float:
        return off(expected, microscopy.screenshot())

    microscopy.wait_until(lambda: difference() < DIFFERENCE, lambda: f"the picture is {difference()} levels off")
    microscopy.wait_until(lambda: is_closer(microscopy, finest), lambda: "no tile of the finest level comes")
    microscopy.wait_for_traffic()
    return microscopy.traffic.frames


def is_closer(microscopy: Microscopy, finest: Level) -> bool:
    """Zoom in by a notch; whether the finest level is seen now."""
    microscopy.zoom_in()
    return any(answer.sop_instance_uid == finest.sop_instance_uid for answer in microscopy.traffic.frames)


def whole(level: Level) -> Image.Image:
    """The level put together of its tiles, as it lies on the glass: half a turn (Image Orientation (Slide))."""
    tiles, across = list(level.pixels()), level.tiles >> level.level
    rows = [np.concatenate(tiles[first : first + across], axis=1) for first in range(0, len(tiles), across)]
    return Image.fromarray(np.concatenate(rows)[::-1, ::-1])


def off(expected: Image.Image, screenshot: bytes) -> float:
    """Mean difference in levels of the upper half: controls lie over the lower one. The slide fills the viewport."""
    view = Image.open(BytesIO(screenshot)).convert("RGB")
    edge = min(view.size)
    left, top = (view.width - edge) // 2, (view.height - edge) // 2
    half = edge, edge // 2
    shown: Levels = np.asarray(view.crop((left, top, left + half[0], top + half[1])), dtype=np.float32)
    wanted: Levels = np.asarray(expected.resize((edge, edge)), dtype=np.float32)[: half[1]]
    return float(np.abs(shown - wanted).mean())
