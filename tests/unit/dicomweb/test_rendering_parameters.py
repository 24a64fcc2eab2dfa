"""Query arguments and Accept headers of rendered requests, as a stranger may send them."""

from __future__ import annotations

import json
import math

import pytest
from framecache.dicomweb.rendering_parameters import (
    JPEG,
    PNG,
    RenderingParameters,
    Viewport,
    Window,
    choose_media_type,
    parse_rendering,
)
from framecache.errors import BadRequest, NotAcceptable
from hypothesis import given
from hypothesis import strategies as st

ARGUMENTS = {"quality": "50", "window": "40,400,linear", "viewport": "10,20,1,2,-3,4"}


def test_nothing_asked_for_is_the_whole_frame_as_jpeg_of_quality_90() -> None:
    assert parse_rendering({}, None) == RenderingParameters(JPEG, 90, window=None, viewport=None)


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("40,400,linear", Window(40, 400, "linear")),
        ("-40.5,0.25,linear-exact", Window(-40.5, 0.25, "linear-exact")),
        ("1e3,+2.5E2,sigmoid", Window(1000, 250, "sigmoid")),
        (".5,5.,linear", Window(0.5, 5, "linear")),
    ],
)
def test_a_window_has_center_width_and_function(text: str, window: Window) -> None:
    assert parse_rendering({"window": text}, None).window == window


@pytest.mark.parametrize(
    ("text", "viewport"),
    [
        ("10,20", Viewport(10, 20)),
        ("10,", Viewport(10)),
        (",20", Viewport(None, 20)),
        ("10,20,1,2,3,4", Viewport(10, 20, 1, 2, 3, 4)),
        ("10,20,,,3,", Viewport(10, 20, 0, 0, 3)),
        ("10,20,-1,-2,3,4", Viewport(10, 20, 1, 2, 3, 4)),
        ("10,20,1.5,2.4,3.5,4.4", Viewport(10, 20, 2, 2, 4, 4)),
        ("10,20,1,2,-3.5,-4", Viewport(10, 20, 1, 2, 4, 4, flip_horizontally=True, flip_vertically=True)),
        ("+10,20", Viewport(10, 20)),
        (",", None),
        (",,,,,", None),
        (",,0,0,,", None),
    ],
)
def test_a_viewport_has_a_size_and_a_region(text: str, viewport: Viewport | None) -> None:
    assert parse_rendering({"viewport": text}, None).viewport == viewport


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("quality", ""),
        ("quality", "0"),
        ("quality", "101"),
        ("quality", "-1"),
        ("quality", "90.5"),
        ("quality", "high"),
        ("quality", " 90"),
        ("quality", "٩٠"),
        ("quality", "9" * 5000),
        ("window", ""),
        ("window", "40"),
        ("window", "40,400"),
        ("window", "40,400,linear,"),
        ("window", "40,400,LINEAR"),
        ("window", "40,400,linear_exact"),
        ("window", "forty,400,linear"),
        ("window", "40,,linear"),
        ("window", "nan,400,linear"),
        ("window", "40,inf,linear"),
        ("window", "40,1e39,linear"),
        ("window", "40,0,linear"),
        ("window", "40,-400,sigmoid"),
        ("window", "0x28,400,linear"),
        ("window", "4_0,400,linear"),
        ("window", "40, 400,linear"),
        ("viewport", ""),
        ("viewport", "10"),
        ("viewport", "10,20,1"),
        ("viewport", "10,20,1,2,3,4,5"),
        ("viewport", "0,20"),
        ("viewport", "10,-20"),
        ("viewport", "10.5,20"),
        ("viewport", "1e1,20"),
        ("viewport", "10,20,1,2,0,4"),
        ("viewport", "10,20,1,2,3,0.4"),
        ("viewport", "10,20,1,2,3,1e12"),
        ("viewport", "10,20,a,2,3,4"),
        ("viewport", "20000,10"),
        ("viewport", "16384,16384"),
    ],
)
def test_impossible_values_are_refused(name: str, text: str) -> None:
    with pytest.raises(BadRequest):
        parse_rendering({name: text}, None)


def test_arguments_of_other_names_are_ignored() -> None:
    assert parse_rendering({"annotation": "patient", "iccprofile": "no", "Window": "?"}, None) == RenderingParameters()


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, JPEG),
        ("", JPEG),
        (" ", JPEG),
        ("*/*", JPEG),
        ("image/*", JPEG),
        ("image/jpeg", JPEG),
        ("image/png", PNG),
        ("IMAGE/PNG", PNG),
        ("image/jpeg;q=0.5, image/png", PNG),
        ("image/png;q=0.2, image/jpeg;q=0.3", JPEG),
        ("image/png, image/jpeg", JPEG),
        ("image/png, */*", PNG),
        ("image/jpeg;q=0, */*", PNG),
        ("image/jpeg;q=0.1, image/*", PNG),
        ("image/gif, image/png;q=0.1", PNG),
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", JPEG),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JPEG),
    ],
)
def test_the_media_type_is_negotiated(accept: str | None, media_type: str) -> None:
    assert choose_media_type(accept) == media_type


@pytest.mark.parametrize(
    "accept", ["image/gif", "image/jp2", "application/dicom", "video/mp4", "image/*;q=0", 'multipart/related; type="x"']
)
def test_what_cannot_be_drawn_is_not_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptable) as raised:
        choose_media_type(accept)
    assert raised.value.available == (JPEG, PNG)


def test_the_accept_argument_goes_before_the_header() -> None:
    assert parse_rendering({"accept": "image/png"}, "image/jpeg").media_type == PNG


def test_png_has_no_quality_but_a_wrong_one_is_refused() -> None:
    assert parse_rendering({"quality": "10"}, PNG) == parse_rendering({}, PNG)
    with pytest.raises(BadRequest):
        parse_rendering({"quality": "0"}, PNG)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"window": "40,400,linear"}, {"window": "+40.0,4e2,linear"}),
        ({"viewport": "10,20"}, {"viewport": "10,20,0,0,,"}),
        ({"viewport": ","}, {}),
        ({"quality": "90"}, {}),
    ],
)
def test_two_texts_for_one_picture_have_one_key(one: dict[str, str], other: dict[str, str]) -> None:
    assert parse_rendering(one, None).key == parse_rendering(other, None).key


def test_other_values_have_other_keys() -> None:
    texts = ({}, *({name: text} for name, text in ARGUMENTS.items()), ARGUMENTS, {"accept": PNG})
    assert len({parse_rendering(arguments, None).key for arguments in texts}) == len(texts)


NUMBER = st.one_of(
    st.sampled_from(["", "0", "1", "-1", "10", "0.5", "1e3", "nan", "inf", "1e400", "-0", "٣", " 1", "1_0", "9" * 400]),
    st.floats().map(str),
    st.integers().map(str),
    st.text(max_size=4),
)
LIST = st.lists(NUMBER | st.sampled_from(["linear", "linear-exact", "sigmoid"]), max_size=7).map(",".join)
TEXTS = st.one_of(LIST, st.text(max_size=40), st.just("image/png"), st.just("image/*;q=0.1, image/png;q=0"))


@given(
    arguments=st.dictionaries(st.sampled_from(["quality", "window", "viewport", "accept", "x"]), TEXTS),
    accept=st.none() | TEXTS,
)
def test_any_query_has_a_valid_meaning_or_a_clear_error(arguments: dict[str, str], accept: str | None) -> None:
    try:
        parameters = parse_rendering(arguments, accept)
    except (BadRequest, NotAcceptable):
        return
    assert_possible(parameters)
    assert RenderingParameters.from_message(json.loads(parameters.key)) == parameters


def assert_possible(parameters: RenderingParameters) -> None:
    window, viewport = parameters.window, parameters.viewport
    assert (parameters.media_type, parameters.quality is None) in ((JPEG, False), (PNG, True))
    assert window is None or (math.isfinite(window.center) and 0 < window.width < math.inf)
    for size in (viewport.width, viewport.height, viewport.region_width, viewport.region_height) if viewport else ():
        assert size is None or size > 0
