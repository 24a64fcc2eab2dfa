"""Where our answers for real files are not the stock plugin's, or not what pydicom decodes, and why: a table.

Each row has to happen, and nothing else may.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.conformance.stored import BIG_ENDIAN
from tests.real_files.findings import ALL_JPEG, Finding, Kind
from tests.real_files.forms import FORMS, INSTANCES, MADE, PICTURES, UNCOMPRESSED, Form
from tests.real_files.images import Image

PALETTE = "PALETTE COLOR"
BOTH = ("trixie", "forky")


@dataclass(frozen=True)
class Difference:
    """What is found for images of one kind in some forms; `requests` and `answers` are said in the document."""

    images: str
    is_meant: Callable[[Image], bool]
    requests: str
    forms: tuple[Form, ...]
    kind: Kind
    answers: str
    reason: str
    suites: tuple[str, ...] = BOTH

    def covers(self, finding: Finding) -> bool:
        return finding.kind is self.kind and finding.form in self.forms and self.is_meant(finding.image)


def _forms(*names: str) -> tuple[Form, ...]:
    found = tuple(form for form in FORMS if form.name in names)
    assert len(found) == len(names), names
    return found


def _named(*names: str) -> Callable[[Image], bool]:
    return lambda image: image.name.endswith(names)


def _is_shared(image: Image) -> bool:
    return image.photometric_interpretation == "YBR_FULL_422" and image.transfer_syntax_uid not in ALL_JPEG


def _fits_extended(image: Image) -> bool:
    """Whether JPEG Extended has room for it (PS3.5 table 8.2.1-1)."""
    bits = image.bits_allocated, image.bits_stored
    signed = bool(image.header.PixelRepresentation)
    return bits in ((8, 8), (16, 12)) and not signed and image.photometric_interpretation != PALETTE


def _is_ybr_jpeg(image: Image) -> bool:
    return image.transfer_syntax_uid in ALL_JPEG and image.photometric_interpretation.startswith("YBR")


_HTJ2K = _forms("image/jphc", "image/jphc .202", "instance in HTJ2K")
_RLE = _forms("image/dicom-rle", "instance in RLE")
_BASELINE = _forms("image/jpeg .50", "instance in JPEG Baseline")
_NATIVE_INSTANCES = _forms("instance in Explicit", "instance in Implicit")
_COMPRESSED = tuple(
    form for form in (*MADE, *INSTANCES) if form.name != "instance as stored" and form not in _NATIVE_INSTANCES
)
_NO_ROOM = "the form does not allow them (PS3.5 section 8.2)"

DIFFERENCES = (
    Difference(
        "native YBR_FULL_422",
        _is_shared,
        "octets, pictures",
        (*UNCOMPRESSED, *PICTURES),
        Kind.ALONE,
        "the stock plugin: 400",
        "two pixels share their chrominance (PS3.3 section C.7.6.3.1.2), so frames are shorter than it assumes",
    ),
    Difference(
        "all",
        lambda _: True,
        "`image/jphc`",
        _HTJ2K,
        Kind.ALONE,
        "the stock plugin: 400",
        "it does not know the media type",
    ),
    Difference(
        "colour of 16 bits a sample, palettes too",
        lambda image: (
            (len(image.shape) == 3 or image.photometric_interpretation == PALETTE) and image.bits_allocated == 16
        ),
        "pictures",
        PICTURES,
        Kind.ALONE,
        "the stock plugin: 500",
        "its pictures have 8 bits, and it does not draw deeper images",
        ("trixie",),
    ),
    Difference(
        "a JPEG 2000 whose code stream is broken",
        _named("embedded-sequence-delimiter.dcm"),
        "all but as stored",
        FORMS,
        Kind.FAILED,
        "500; the stock plugin: 400 or 500",
        "no decoder reads it",
    ),
    Difference(
        "a Number of Frames that is not a number",
        _named("badVR.dcm"),
        "all but the whole instance",
        FORMS,
        Kind.FAILED,
        "500; the stock plugin: 400",
        "nobody knows where a frame ends",
    ),
    Difference(
        "1 bit a sample",
        lambda image: image.bits_allocated == 1,
        "any compressed form",
        _COMPRESSED,
        Kind.UNAVAILABLE,
        "406; the stock plugin: 500",
        _NO_ROOM,
    ),
    Difference(
        "32 bits a sample",
        lambda image: image.bits_allocated == 32,
        "JPEG, JPEG-LS, JPEG 2000",
        tuple(form for form in _COMPRESSED if form not in (*_HTJ2K, *_RLE)),
        Kind.UNAVAILABLE,
        "406; the stock plugin: 500, ends, or a stream that no decoder reads",
        _NO_ROOM,
    ),
    Difference(
        "more than 8 bits a sample, or fewer than 8 bits stored",
        lambda image: (image.bits_allocated, image.bits_stored) != (8, 8),
        "JPEG Baseline",
        _BASELINE,
        Kind.UNAVAILABLE,
        "406; the stock plugin: 500",
        _NO_ROOM,
    ),
    Difference(
        "signed samples, indices of a palette, other than 8 or 12 bits",
        lambda image: not _fits_extended(image),
        "JPEG Extended",
        _forms("image/jpeg .51"),
        Kind.UNAVAILABLE,
        "406",
        _NO_ROOM,
    ),
    Difference(
        "PALETTE COLOR",
        lambda image: image.photometric_interpretation == PALETTE and image.bits_allocated == 8,
        "JPEG Baseline",
        _forms("image/jpeg .50"),
        Kind.REFUSED,
        "406; the stock plugin: 200",
        "a slightly wrong index is a wholly different colour",
    ),
    Difference(
        "PALETTE COLOR",
        lambda image: image.photometric_interpretation == PALETTE,
        "instances in JPEG Baseline",
        _forms("instance in JPEG Baseline"),
        Kind.UNAVAILABLE,
        "406",
        "a slightly wrong index is a wholly different colour",
    ),
    Difference(
        "32 bits a sample in Big Endian",
        lambda image: image.bits_allocated == 32 and image.transfer_syntax_uid == BIG_ENDIAN,
        "frames, instances",
        (*UNCOMPRESSED, *MADE, *INSTANCES),
        Kind.UNLIKE_PYDICOM,
        "as the stock plugin",
        "OW consists of 16-bit words, the lowest first (PS3.5 section 8.1.1); pydicom swaps 4 bytes",
    ),
    Difference(
        "PALETTE COLOR in Big Endian, palettes of 8 bits",
        lambda image: image.photometric_interpretation == PALETTE and image.transfer_syntax_uid == BIG_ENDIAN,
        "pictures",
        _forms("rendered"),
        Kind.UNLIKE_PYDICOM,
        "as the stock plugin",
        "the palettes consist of 16-bit words; pydicom reads them as single bytes",
    ),
    Difference(
        "JPEG of YBR_FULL or YBR_FULL_422",
        _is_ybr_jpeg,
        "`image/jls`, `image/jpeg`",
        _forms("image/jls", "image/jpeg"),
        Kind.UNLIKE_STOCK,
        "YBR; the stock plugin: RGB",
        "the client's metadata says YBR",
    ),
    Difference(
        "RGB",
        lambda image: image.photometric_interpretation in ("RGB", "YBR_RCT", "YBR_ICT"),
        "JPEG Baseline",
        _forms("image/jpeg .50"),
        Kind.UNLIKE_STOCK,
        "RGB; the stock plugin: YBR",
        "the client's metadata says RGB",
    ),
    Difference(
        "signed samples whose sign does not extend above Bits Stored",
        _named("mlut_18.dcm", "J2K_pixelrep_mismatch.dcm"),
        "pictures",
        PICTURES,
        Kind.UNLIKE_STOCK,
        "as pydicom",
        "the stock plugin reads them as unsigned",
    ),
)
