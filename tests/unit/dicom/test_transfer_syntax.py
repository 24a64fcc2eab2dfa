"""The one table of transfer syntaxes and media types."""

from __future__ import annotations

import pytest
from framecache.dicom.transfer_syntax import (
    EXPLICIT,
    Encoding,
    Representation,
    canonical_media_type,
    default_transfer_syntax,
    is_sent_as_it_lies,
    lookup,
    stored_representation,
)
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID, AllTransferSyntaxes

LITTLE = "1.2.840.10008.1.2.1"
COMPRESSED = "1.2.840.10008.1.2.4."

# PS3.18 tables 8.7.3-2 and 8.7.3-5.
MEDIA_TYPES = {
    "image/jpeg": ["70", "50", "51", "57"],
    "image/jls": ["80", "81"],
    "image/jp2": ["90", "91"],
    "image/jpx": ["92", "93"],
    "image/jphc": ["201", "202", "203"],
    "image/jxl": ["110", "111", "112"],
}


@pytest.mark.parametrize(
    ("uid", "media_type"),
    [(COMPRESSED + number, media_type) for media_type, numbers in MEDIA_TYPES.items() for number in numbers]
    + [("1.2.840.10008.1.2.5", "image/dicom-rle")],
)
def test_compressed_frames_are_sent_as_they_are_stored(uid: str, media_type: str) -> None:
    representation = stored_representation(uid)

    assert representation == Representation(uid)
    assert representation.media_type == media_type
    assert representation.content_type == f"{media_type}; transfer-syntax={uid}"


@pytest.mark.parametrize("number", [52, 53, 54, 55, 56, *range(58, 67)])
def test_retired_jpeg_is_sent_as_it_is_stored_under_its_own_name(number: int) -> None:
    """Neither video nor unknown, and never what an image/jpeg without transfer-syntax means."""
    uid = f"{COMPRESSED}{number}"

    assert lookup(uid).encoding is Encoding.ENCAPSULATED
    assert stored_representation(uid) == Representation(uid)
    assert Representation(uid).content_type == f"image/jpeg; transfer-syntax={uid}"
    assert default_transfer_syntax("image/jpeg") == COMPRESSED + "70"


@pytest.mark.parametrize("uid", [LITTLE, "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"])
def test_native_frames_are_explicit_ones(uid: str) -> None:
    """PS3.18 section 8.7.3.1: Implicit VR and Big Endian are not used with web services; the pixels are the same."""
    representation = stored_representation(uid)

    assert representation == EXPLICIT
    assert representation.content_type == f"application/octet-stream; transfer-syntax={LITTLE}"


@pytest.mark.parametrize(
    "uid",
    [*(f"{COMPRESSED}{n}" for n in range(100, 109)), f"{COMPRESSED}102.1", "1.2.3", "", "1.2.840.10008.1.2.4"],
)
def test_video_and_the_unknown_are_not_sent_as_they_are_stored(uid: str) -> None:
    assert stored_representation(uid) is None


@pytest.mark.parametrize(
    ("uid", "is_so"),
    [
        (LITTLE, True),
        ("1.2.840.10008.1.2", True),
        (COMPRESSED + "70", True),
        ("1.2.840.10008.1.2.5", True),
        ("1.2.840.10008.1.2.1.99", False),
        ("1.2.840.10008.1.2.2", False),
        (COMPRESSED + "102", False),
        ("1.2.3", False),
    ],
)
def test_what_is_inflated_or_turned_round_does_not_lie_in_the_file_as_it_is_sent(uid: str, *, is_so: bool) -> None:
    assert is_sent_as_it_lies(uid) == is_so


@pytest.mark.parametrize("uid", AllTransferSyntaxes)
def test_the_table_agrees_with_pydicom(uid: str) -> None:
    """What pydicom calls encapsulated is never native here, and the other way round."""
    encoding = lookup(uid).encoding
    if encoding is not Encoding.UNKNOWN:
        assert (encoding is not Encoding.NATIVE) == UID(uid).is_encapsulated


@pytest.mark.parametrize(("media_type", "number"), [(media_type, n[0]) for media_type, n in MEDIA_TYPES.items()])
def test_each_media_type_has_its_default(media_type: str, number: str) -> None:
    assert default_transfer_syntax(media_type) == COMPRESSED + number
    assert lookup(COMPRESSED + number).media_type == media_type


def test_a_type_of_no_frame_has_no_default() -> None:
    assert default_transfer_syntax("text/html") is None
    assert default_transfer_syntax("application/octet-stream") == LITTLE


@pytest.mark.parametrize(
    ("older", "today"),
    [
        ("image/dicom+jpeg", "image/jpeg"),
        ("image/x-dicom-rle", "image/dicom-rle"),
        ("IMAGE/X-JLS", "image/jls"),
        ("image/dicom+jp2", "image/jp2"),
        ("Image/JP2", "image/jp2"),
        ("text/html", "text/html"),
    ],
)
def test_older_names_of_media_types_are_understood(older: str, today: str) -> None:
    assert canonical_media_type(older) == today


@given(st.text())
def test_no_uid_is_too_odd_to_look_up(uid: str) -> None:
    assert lookup(uid).uid == uid
