"""Requests that are never sent to the stock plugin: its decoders end Orthanc, in the small stacks of HTTP threads.

Forms of which it ends for most images are not compared at all (`Form.compared`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.conformance.shapes import JPEG_2000
from tests.conformance.stored import COMPRESSED
from tests.real_files.forms import MADE, PICTURES, Form
from tests.real_files.images import Image

_JPEG_2000 = (JPEG_2000, f"{COMPRESSED}.91")


@dataclass(frozen=True)
class Ending:
    """What ends the stock Orthanc of these suites."""

    images: str
    requests: str
    suites: tuple[str, ...]
    is_meant: Callable[[Image, Form], bool]


def _is_jpeg_2000(image: Image) -> bool:
    return image.transfer_syntax_uid in _JPEG_2000


def _decodes(image: Image, form: Form) -> bool:
    return form.transfer_syntax_uid not in ("*", "", image.transfer_syntax_uid)


ENDINGS = (
    Ending(
        "JPEG 2000",
        "frames and instances in any other form",
        ("trixie",),
        lambda image, form: _is_jpeg_2000(image) and _decodes(image, form),
    ),
    Ending(
        "JPEG 2000",
        "frames in JPEG-LS, instances in any other form",
        ("forky",),
        lambda image, form: _is_jpeg_2000(image) and form.name in ("image/jls", "instance in Explicit"),
    ),
    Ending(
        "signed samples of fewer bits than are allocated",
        "frames in JPEG-LS",
        ("trixie",),
        lambda image, form: (
            bool(image.header.PixelRepresentation)
            and image.bits_stored < image.bits_allocated
            and form.name == "image/jls"
        ),
    ),
    Ending(
        "JPEG 2000 in colour",
        "pictures",
        ("trixie", "forky"),
        lambda image, form: _is_jpeg_2000(image) and len(image.shape) == 3 and form in PICTURES,
    ),
    Ending(
        "32 bits a sample",
        "pictures, frames in any compressed form",
        ("trixie", "forky"),
        lambda image, form: image.bits_allocated == 32 and form in (*PICTURES, *MADE),
    ),
    Ending(
        "native YBR_FULL_422, images of 3 × 3",
        "frames in any compressed form",
        ("trixie", "forky"),
        lambda image, form: (
            form in MADE and (image.shape[:2] == (3, 3) or image.name.endswith("SC_ybr_full_422_uncompressed.dcm"))
        ),
    ),
)


def may_be_asked(suite: str, image: Image, form: Form) -> bool:
    return form.compared and not any(suite in ending.suites and ending.is_meant(image, form) for ending in ENDINGS)
