"""The parameters of a request for a rendered frame or a thumbnail (PS3.18 sections 8.3.5.1 and 8.7.4).

Parsed here, in Orthanc's process, and sent to a helper process, which draws. The same grammar as the stock DICOMweb
plugin's, so that a picture does not depend on which of the two drew it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from framecache.dicomweb.negotiation import MediaRange, parse_accept
from framecache.errors import BadRequest, NotAcceptable

JPEG, PNG = "image/jpeg", "image/png"
MEDIA_TYPES = (JPEG, PNG)  # the default first (PS3.18 table 8.7.4-1)
DEFAULT_QUALITY = 90  # the stock plugin's
FUNCTIONS = ("linear", "linear-exact", "sigmoid")
_LARGEST_QUALITY = 100
_INTEGER = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?([0-9]{1,64}(\.[0-9]{0,64})?|\.[0-9]{1,64})([eE][+-]?[0-9]{1,3})?", re.ASCII)
_LARGEST_DECIMAL = 3.4e38  # the range of a 32-bit float, in which the stock plugin calculates
_LARGEST_COORDINATE = 2**31 - 1
# A picture is rendered in memory: limits that exceed every screen and fit into a helper process.
_LARGEST_SIDE, _LARGEST_AREA = 1 << 14, 1 << 26


@dataclass(frozen=True, slots=True)
class Window:
    """VOI LUT function (PS3.3 section C.11.2.1.2), in units after the Modality LUT; `width` is above 0."""

    center: float
    width: float
    function: str


@dataclass(frozen=True, slots=True)
class Viewport:
    """The region of the frame to show, and the size in pixels of the picture to fit it into.

    None means the extent of the frame. The picture is flipped if the request has a negative width or height.
    """

    width: int | None = None
    height: int | None = None
    left: int = 0
    top: int = 0
    region_width: int | None = None
    region_height: int | None = None
    flip_horizontally: bool = False
    flip_vertically: bool = False


@dataclass(frozen=True, slots=True)
class RenderingParameters:
    """What to render: equal values give equal pictures. `quality` is None for PNG."""

    media_type: str = JPEG
    quality: int | None = DEFAULT_QUALITY
    window: Window | None = None
    viewport: Viewport | None = None

    @property
    def key(self) -> str:
        """The canonical text of these values, for a cache and an entity tag."""
        return json.dumps(self.to_message(), sort_keys=True, separators=(",", ":"))

    def to_message(self) -> dict[str, Any]:
        """The values as JSON, for a helper process."""
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Self:
        """The inverse of `to_message`."""
        window, viewport = message["window"], message["viewport"]
        return cls(
            message["media_type"],
            message["quality"],
            Window(**window) if window else None,
            Viewport(**viewport) if viewport else None,
        )


def parse_rendering(arguments: Mapping[str, str], accept: str | None, *, several: bool = False) -> RenderingParameters:
    """The parameters of a rendered or thumbnail request, from its decoded query arguments and its Accept header.

    `several` pictures are the parts of one answer. Arguments of other names are ignored, as the stock plugin does.
    Raises BadRequest, NotAcceptable.
    """
    media_type = choose_media_type(arguments.get("accept") or accept, several=several)
    quality = _quality(arguments["quality"]) if "quality" in arguments else DEFAULT_QUALITY
    return RenderingParameters(
        media_type=media_type,
        quality=quality if media_type == JPEG else None,
        window=_window(arguments["window"]) if "window" in arguments else None,
        viewport=_viewport(arguments["viewport"]) if "viewport" in arguments else None,
    )


def choose_media_type(accept: str | None, *, several: bool = False) -> str:
    """The rendered media type with the highest q-value (RFC 9110 section 12.5.1), JPEG among equals.

    A range that names a type outweighs a wildcard of the same q-value. Raises BadRequest, NotAcceptable.
    """
    ranges = parse_accept(accept) if accept and accept.strip() else (MediaRange("*/*", {}, 1.0),)
    ranges = tuple(map(_of_parts, ranges)) if several else ranges
    quality, _, negated_index = max(
        (*_quality_of(media_type, ranges), -index) for index, media_type in enumerate(MEDIA_TYPES)
    )
    if quality == 0:
        raise NotAcceptable("none of the acceptable media types is available", MEDIA_TYPES)
    return MEDIA_TYPES[-negated_index]


def _of_parts(media_range: MediaRange) -> MediaRange:
    """The range of the parts, if it is multipart/related (RFC 2387 section 3.1)."""
    if media_range.media_type == "multipart/*":
        return replace(media_range, media_type="*/*")
    if media_range.media_type != "multipart/related":
        return media_range
    return replace(media_range, media_type=media_range.parameters.get("type", "*/*").lower())


def _quality_of(media_type: str, ranges: tuple[MediaRange, ...]) -> tuple[float, int]:
    """The q-value of the most specific matching range, and its specificity."""
    matching = [
        (("*/*", "image/*", media_type).index(r.media_type), r.quality)
        for r in ranges
        if r.media_type in ("*/*", "image/*", media_type)
    ]
    precision, quality = max(matching, default=(0, 0.0))
    return quality, precision


def _quality(text: str) -> int:
    """PS3.18 section 8.3.5.1.2."""
    quality = _integer(text, "quality")
    if not 1 <= quality <= _LARGEST_QUALITY:
        raise BadRequest("quality lies between 1 and 100")
    return quality


def _window(text: str) -> Window:
    """PS3.18 section 8.3.5.1.4; like the stock plugin, we treat a width between 0 and 1 as a threshold."""
    tokens = text.split(",")
    if len(tokens) != len(("center", "width", "function")):
        raise BadRequest("window has a center, a width and a function")
    center, width = (_decimal(token, "window") for token in tokens[:2])
    if width <= 0:
        raise BadRequest("the width of a window is above 0")
    if tokens[2] not in FUNCTIONS:
        raise BadRequest(f"the function of a window is one of {', '.join(FUNCTIONS)}")
    return Window(center, width, tokens[2])


def _viewport(text: str) -> Viewport | None:
    """PS3.18 section 8.3.5.1.3: two or six numbers, each of which may be empty. None if all of them are."""
    tokens = text.split(",")
    if len(tokens) not in (2, 6):
        raise BadRequest("viewport has 2 or 6 numbers")
    width, height = (_side(token) if token else None for token in tokens[:2])
    if (width or 1) * (height or 1) > _LARGEST_AREA:
        raise BadRequest("the viewport is too large")
    # The stock plugin takes the absolute value of all four; only the signs of the last two have a meaning.
    left, top, region_width, region_height = (_coordinate(token) for token in (tokens[2:] or [""] * 4))
    if 0 in (region_width, region_height):
        raise BadRequest("the region of a viewport is not empty")
    viewport = Viewport(
        width,
        height,
        abs(left or 0),
        abs(top or 0),
        None if region_width is None else abs(region_width),
        None if region_height is None else abs(region_height),
        flip_horizontally=(region_width or 0) < 0,
        flip_vertically=(region_height or 0) < 0,
    )
    return None if viewport == Viewport() else viewport


def _side(text: str) -> int:
    side = _integer(text, "viewport")
    if not 1 <= side <= _LARGEST_SIDE:
        raise BadRequest(f"the sides of a viewport lie between 1 and {_LARGEST_SIDE}")
    return side


def _coordinate(text: str) -> int | None:
    """A whole number of pixels; halves are rounded away from zero."""
    if not text:
        return None
    value = _decimal(text, "viewport")
    if abs(value) > _LARGEST_COORDINATE:
        raise BadRequest("a coordinate of viewport is too large")
    return math.floor(value + 0.5) if value > 0 else math.ceil(value - 0.5)


def _integer(text: str, name: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise BadRequest(f"{name} has whole numbers")
    return int(text)


def _decimal(text: str, name: str) -> float:
    """A finite number; from infinity and NaN the stock plugin makes empty pictures."""
    if not _DECIMAL.fullmatch(text) or abs(value := float(text)) > _LARGEST_DECIMAL:
        raise BadRequest(f"{name} has decimal numbers")
    return value
