"""A table of what viewers and strangers send against what there is."""

from __future__ import annotations

import pytest
from framecache.dicom.transfer_syntax import EXPLICIT, Representation
from framecache.dicomweb.negotiation import Choice, asks_as_stored, choose, parse_accept
from framecache.errors import BadRequest, NotAcceptable
from hypothesis import example, given, settings
from hypothesis import strategies as st

J2K, JPEG, JLS, HTJ2K = (Representation(f"1.2.840.10008.1.2.4.{n}") for n in ("90", "50", "80", "201"))
RLE = Representation("1.2.840.10008.1.2.5")
LITTLE = EXPLICIT.transfer_syntax_uid
NATIVE = [EXPLICIT]
TRANSCODING = [EXPLICIT, HTJ2K, JLS, J2K, RLE]

OHIF = "multipart/related; type=application/octet-stream; transfer-syntax=*"
DICOMWEB_CLIENT = (
    'multipart/related; type="application/octet-stream"; transfer-syntax="1.2.840.10008.1.2.1", '
    'multipart/related; type="image/jp2"; transfer-syntax="1.2.840.10008.1.2.4.90", '
    'multipart/related; type="image/*"'
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"

MULTI, SINGLE = True, False


@pytest.mark.parametrize(
    ("accept", "available", "representation", "multipart"),
    [
        # What clients send
        pytest.param(OHIF, NATIVE, EXPLICIT, MULTI, id="OHIF, native"),
        pytest.param(OHIF, [J2K], J2K, MULTI, id="OHIF, JPEG 2000 as stored"),
        pytest.param(OHIF, [J2K, EXPLICIT], J2K, MULTI, id="OHIF gets what is stored before what is transcoded"),
        pytest.param(OHIF, [RLE], RLE, MULTI, id="OHIF, RLE"),
        pytest.param(DICOMWEB_CLIENT, NATIVE, EXPLICIT, MULTI, id="dicomweb-client, native"),
        pytest.param(DICOMWEB_CLIENT, [J2K], J2K, MULTI, id="dicomweb-client, JPEG 2000"),
        pytest.param(DICOMWEB_CLIENT, [JLS], JLS, MULTI, id="dicomweb-client, image/*"),
        pytest.param("application/octet-stream", NATIVE, EXPLICIT, SINGLE, id="static-wado"),
        pytest.param("*/*", NATIVE, EXPLICIT, MULTI, id="curl, fetch, requests"),
        pytest.param(BROWSER, NATIVE, EXPLICIT, MULTI, id="a browser"),
        pytest.param(JAVA, NATIVE, EXPLICIT, MULTI, id="Java's HttpURLConnection"),
        pytest.param(None, NATIVE, EXPLICIT, MULTI, id="no Accept"),
        pytest.param("", NATIVE, EXPLICIT, MULTI, id="an empty Accept"),
        pytest.param("   ", NATIVE, EXPLICIT, MULTI, id="a blank Accept"),
        # Shapes
        pytest.param("multipart/related", NATIVE, EXPLICIT, MULTI, id="multipart without type"),
        pytest.param("multipart/related;type=*/*", NATIVE, EXPLICIT, MULTI, id="multipart of anything"),
        pytest.param("multipart/*", NATIVE, EXPLICIT, MULTI, id="any multipart"),
        pytest.param("image/jp2", [J2K], J2K, SINGLE, id="single part by name"),
        pytest.param("image/*", [JPEG], JPEG, SINGLE, id="single part of any image"),
        pytest.param("application/*", NATIVE, EXPLICIT, SINGLE, id="any application"),
        pytest.param('multipart/related; type="image/jp2"', [J2K], J2K, MULTI, id="multipart by name"),
        # Spelling
        pytest.param("MULTIPART/Related; TYPE=Application/Octet-Stream", NATIVE, EXPLICIT, MULTI, id="case"),
        pytest.param("multipart/related;type=image/jp2 ;transfer-syntax=*", [J2K], J2K, MULTI, id="space"),
        pytest.param('multipart/related; type="application/octet\\-stream"', NATIVE, EXPLICIT, MULTI, id="escapes"),
        pytest.param('multipart/related; type="image/jp2"; boundary="a,b;c"', [J2K], J2K, MULTI, id="comma in quotes"),
        pytest.param("multipart/related;; type=image/jp2;", [J2K], J2K, MULTI, id="empty parameters"),
        pytest.param("image/x-jls", [JLS], JLS, SINGLE, id="an older name"),
        pytest.param(
            f'multipart/related; type="application/octet-stream; transfer-syntax={LITTLE}"',
            NATIVE,
            EXPLICIT,
            MULTI,
            id="the parameter inside the quotes, as the stock plugin writes it",
        ),
        # Lists: RFC 9110 section 5.6.1.2 has empty elements ignored
        pytest.param(",image/jp2", [J2K], J2K, SINGLE, id="a leading comma"),
        pytest.param("image/jp2,", [J2K], J2K, SINGLE, id="a trailing comma"),
        pytest.param("image/jp2, ", [J2K], J2K, SINGLE, id="a trailing comma and space"),
        pytest.param("text/html, , ,image/jp2", [J2K], J2K, SINGLE, id="empty elements"),
        # Transfer syntaxes
        pytest.param(
            f"multipart/related; transfer-syntax={LITTLE}", TRANSCODING, EXPLICIT, MULTI, id="explicit by UID"
        ),
        pytest.param("image/jphc", TRANSCODING, HTJ2K, SINGLE, id="HTJ2K by name"),
        pytest.param("image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50", [JPEG], JPEG, SINGLE, id="not the default"),
        pytest.param("image/jpeg; transfer-syntax=*", [JPEG], JPEG, SINGLE, id="any of its media type"),
        pytest.param(
            "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.90", [J2K], J2K, SINGLE, id="stock's habit"
        ),
        # q-values
        pytest.param("image/jp2;q=0.5, application/octet-stream", [J2K, EXPLICIT], EXPLICIT, SINGLE, id="the better q"),
        pytest.param("image/jp2;q=0.5, image/jls;q=0.501", [J2K, JLS], JLS, SINGLE, id="a little better"),
        pytest.param("image/jp2, image/jls", [JLS, J2K], JLS, SINGLE, id="equal q: what is stored"),
        pytest.param("image/jp2;q=0, */*;q=0.1", NATIVE, EXPLICIT, MULTI, id="q=0 of another"),
        pytest.param("image/jp2;Q=1.000", [J2K], J2K, SINGLE, id="Q in upper case"),
    ],
)
def test_the_choice(
    accept: str | None, available: list[Representation], representation: Representation, *, multipart: bool
) -> None:
    assert choose(accept, available) == Choice(representation, multipart)


@pytest.mark.parametrize(
    ("accept", "available"),
    [
        pytest.param("*/*", [J2K], id="a wildcard means Explicit VR Little Endian"),
        pytest.param("multipart/related", [J2K], id="so does multipart alone"),
        pytest.param("image/*", NATIVE, id="native pixels are no image"),
        pytest.param("image/jpeg", [JPEG], id="the default of image/jpeg is lossless"),
        pytest.param("image/jp2; transfer-syntax=1.2.840.10008.1.2.4.91", [J2K], id="another transfer syntax"),
        pytest.param("image/jp2; transfer-syntax=1.2.840.10008.1.2.4.50", [JPEG], id="one of another media type"),
        pytest.param("multipart/related; transfer-syntax=1.2.840.10008.1.2", NATIVE, id="Implicit VR"),
        pytest.param("application/dicom", NATIVE, id="whole instances"),
        pytest.param("application/json", NATIVE, id="JSON"),
        pytest.param("text/html", NATIVE, id="HTML"),
        pytest.param("application/octet-stream;q=0", NATIVE, id="refused"),
        pytest.param("application/octet-stream;q=0.000", NATIVE, id="refused, exactly"),
        pytest.param("*/*", [], id="nothing there"),
    ],
)
def test_what_is_not_acceptable_tells_what_there_is(accept: str, available: list[Representation]) -> None:
    with pytest.raises(NotAcceptable) as refused:
        choose(accept, available)

    assert len(refused.value.available) == len(available)
    for offered, representation in zip(refused.value.available, available, strict=True):
        assert choose(offered, available) == Choice(representation, multipart=True)


@pytest.mark.parametrize(
    "accept",
    [
        "text",
        "/",
        "text/",
        "a/b c/d",
        "a/b; q=2",
        "a/b; q=-1",
        "a/b; q=0.5555",
        "a/b; q=",
        "a/b; q=one",
        'a/b; type="open',
        "a/b\0",
        "ä/b",
        "a/b" * 5000,
    ],
)
def test_what_is_malformed_is_refused(accept: str) -> None:
    with pytest.raises(BadRequest):
        choose(accept, NATIVE)


def test_ranges_come_with_their_parameters_and_quality() -> None:
    first, second = parse_accept('multipart/related; Type="image/jp2"; q=0.25, */*')

    assert (first.media_type, dict(first.parameters), first.quality) == (
        "multipart/related",
        {"type": "image/jp2"},
        0.25,
    )
    assert (second.media_type, dict(second.parameters), second.quality) == ("*/*", {}, 1)


@pytest.mark.parametrize(
    ("accept", "as_stored"),
    [
        (OHIF, True),
        (f"{OHIF};q=0.5", True),
        ("multipart/related; transfer-syntax=*", True),
        (None, False),
        ("", False),
        ("*/*", False),
        ("multipart/related", False),
        ("multipart/related; type=image/jpeg; transfer-syntax=*", False),
        (f"{OHIF}, */*", False),
        ("image/jp2", False),
        (DICOMWEB_CLIENT, False),
    ],
)
def test_what_every_range_takes_as_stored_is_decoded_nowhere(accept: str | None, *, as_stored: bool) -> None:
    assert asks_as_stored(accept) is as_stored


PIECES = st.sampled_from(
    ["multipart/related", "image/jp2", "*/*", "*", ";", ",", "=", '"', "\\", "type", "q", "0.5", "0", " ", "\t", LITTLE]
)


@settings(max_examples=400)
@given(st.lists(PIECES | st.text(max_size=3), max_size=25).map("".join) | st.text())
@example("*/*;q=0")
@example(";" * 8000)
@example('a/b;c="' + '\\"' * 4000)
@example("a/b;" + " " * 8000)
def test_any_text_is_a_choice_or_refused(accept: str) -> None:
    for available in (NATIVE, [J2K], TRANSCODING, []):
        try:
            assert choose(accept, available).representation in available
        except (BadRequest, NotAcceptable):
            continue
