"""Which stream answers for which transfer syntax: a table, and that the encoders keep what it promises."""

from __future__ import annotations

import pytest
from framecache.codecs.process.decoding import decode_samples
from framecache.codecs.process.encoding import encode
from framecache.codecs.process.pixels import PixelDescription
from framecache.codecs.same_stream import kept_as
from framecache.codecs.targets import ALL_TARGETS

from tests.unit.codecs.process.frames import Frame, native

EXPLICIT = "1.2.840.10008.1.2.1"
# One of 16 bits, one of colours.
FRAMES = [next(f for f in native() if f.bits_stored == 16), next(f for f in native() if f.pixels.shape[2:] == (3,))]


def compressed(number: int) -> str:
    return f"1.2.840.10008.1.2.4.{number}"


@pytest.mark.parametrize(
    ("stored", "asked", "kept"),
    [
        pytest.param(EXPLICIT, "1.2.840.10008.1.2", EXPLICIT, id="both little endians"),
        pytest.param(EXPLICIT, compressed(201), compressed(202), id="HTJ2K is made as RPCL"),
        pytest.param(EXPLICIT, compressed(203), compressed(202), id="also for who would take it with loss"),
        pytest.param(EXPLICIT, compressed(91), compressed(90), id="JPEG 2000 is made without loss"),
        pytest.param(EXPLICIT, compressed(51), compressed(51), id="two encoders"),
        pytest.param(compressed(202), compressed(201), compressed(202), id="what is stored answers"),
        pytest.param(compressed(201), compressed(201), compressed(201), id="as stored"),
        pytest.param(compressed(201), compressed(202), compressed(202), id="nobody knows its progression: made anew"),
        pytest.param(compressed(91), compressed(91), compressed(91), id="with loss, as stored"),
        pytest.param(compressed(91), compressed(90), compressed(90), id="with loss, by the name of none: made anew"),
        pytest.param(compressed(50), compressed(51), compressed(50), id="JPEG Baseline is Extended as well"),
    ],
)
def test_one_stream_is_kept_for_all_its_names(stored: str, asked: str, kept: str) -> None:
    assert kept_as(stored, asked) == kept


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.name)
@pytest.mark.parametrize("target", [uid for uid in ALL_TARGETS if kept_as("", uid) != uid])
def test_a_stream_that_answers_for_another_is_what_would_have_been_made(frame: Frame, target: str) -> None:
    description = PixelDescription.from_data_set(frame.data_set())
    decoded = decode_samples(frame.stored, description)
    assert encode(decoded, description, kept_as("", target)) == encode(decoded, description, target)
