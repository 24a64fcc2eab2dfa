"""Looking at what OHIF shows, as a reader does: through all frames of a series, or closer at a slide."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image

from dev.sample import Sample
from dev.slide import Level
from dev.upload import Instance
from tests.viewer.ohif import Microscopy, Ohif
from tests.viewer.picture import Levels, expected, nearest, picture
from tests.viewer.traffic import FrameAnswer

# Mean levels of 255 between a frame and its picture on the screen. Enlarging takes the edge off the noise: 1.4 of the
# tomosynthesis, 7 of the ultrasound, whose other frames are 17 away; a black viewport is further than that from each.
FRAME_DIFFERENCE = 10.0
# Mean levels of 255 between the slide and its picture, which is put together of coarser tiles: 2 if it is right, 37 if
# it is turned.
SLIDE_DIFFERENCE = 5.0


def scroll_through(ohif: Ohif, url: str, instance: Instance, sample: Sample) -> list[FrameAnswer]:
    """Open the study, look at each frame, and return all answers to frame requests."""
    frames = expected(sample)
    ohif.open(url, instance)
    for frame_number in range(1, sample.frames + 1):
        if frame_number > 1:
            ohif.scroll()
        ohif.wait_for_frame(frame_number)
        look(ohif, frames, frame_number)
    ohif.wait_for_traffic()
    return ohif.traffic.frames


def look(ohif: Ohif, frames: Sequence[Levels], frame_number: int) -> None:
    """Wait until the viewport shows this very one of the frames."""

    def seen() -> tuple[int, float]:
        return nearest(picture(ohif.screenshot(), *frames[0].shape[:2]), frames)

    def shown() -> bool:
        number, difference = seen()
        return number == frame_number and difference < FRAME_DIFFERENCE

    ohif.wait_until(shown, lambda: f"at frame {frame_number}; what is seen (frame, levels off): {seen()}")


def look_at_slide(microscopy: Microscopy, finest: Level) -> list[FrameAnswer]:
    """Wait until the slide is shown, look closer, and return all answers to requests for tiles."""
    expected = whole(finest)

    def difference() -> float:
        return off(expected, microscopy.screenshot())

    microscopy.wait_until(lambda: difference() < SLIDE_DIFFERENCE, lambda: f"the picture is {difference()} levels off")
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


def asked_again(first: Sequence[FrameAnswer], second: Sequence[FrameAnswer]) -> list[FrameAnswer]:
    """Those of the second opening that the first had: a notch of the wheel may show a tile more than it did then."""
    known = {(answer.sop_instance_uid, answer.frame_number) for answer in first}
    again = [answer for answer in second if (answer.sop_instance_uid, answer.frame_number) in known]
    assert len(again) > len(second) / 2
    return again


def off(expected: Image.Image, screenshot: bytes) -> float:
    """Mean difference in levels of the upper half: controls lie over the lower one. The slide fills the viewport."""
    view = Image.open(BytesIO(screenshot)).convert("RGB")
    edge = min(view.size)
    left, top = (view.width - edge) // 2, (view.height - edge) // 2
    half = edge, edge // 2
    shown: Levels = np.asarray(view.crop((left, top, left + half[0], top + half[1])), dtype=np.float32)
    wanted: Levels = np.asarray(expected.resize((edge, edge)), dtype=np.float32)[: half[1]]
    return float(np.abs(shown - wanted).mean())
