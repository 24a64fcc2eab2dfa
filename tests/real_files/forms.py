"""The requests that are made of each image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.conformance.shapes import BASELINE, HTJ2K, JPEG, JPEG_2000, JPEG_LS, related
from tests.conformance.stored import COMPRESSED, EXPLICIT, IMPLICIT, RLE
from tests.real_files.images import Image

OCTETS, DICOM = "application/octet-stream", "application/dicom"
ANY = "*"


@dataclass(frozen=True)
class Form:
    """A form in which something of an image is asked for: `resource` is below the instance, with {last} for a frame.

    `transfer_syntax_uid` is what has to come, ANY for what is stored. A form that is not `cheap` is made at some cost,
    and not asked of large images. Those not `compared` are not asked of the stock plugin, which may end of them.
    """

    name: str
    resource: str
    accept: str
    transfer_syntax_uid: str = ""
    cheap: bool = False
    compared: bool = True

    def path(self, image: Image) -> str:
        resource = self.resource.format(last=image.number_of_frames)
        return f"{image.path}/{resource}" if resource else image.path


def frame_numbers(form: Form, image: Image) -> list[int]:
    """The frames that are answered, in their order."""
    last = image.number_of_frames
    return {"frames": [*range(1, last + 1)], "frames/{last},1": [last, 1]}.get(form.resource, [last])


def _octets() -> Iterator[Form]:
    one, some, every = "frames/{last}", "frames/{last},1", "frames"
    yield Form("octets", one, related(OCTETS), EXPLICIT, cheap=True)
    yield Form("octets of two frames", some, related(OCTETS), EXPLICIT)
    yield Form("as stored", one, related(OCTETS, ANY), ANY, cheap=True)
    yield Form("as stored, two frames", some, related(OCTETS, ANY), ANY, cheap=True)
    yield Form("as stored, all frames", every, related(OCTETS, ANY), ANY, compared=False)
    yield Form("any", one, "*/*", EXPLICIT, compared=False)
    yield Form("Implicit octets", one, related(OCTETS, IMPLICIT), IMPLICIT)


def _compressed() -> Iterator[Form]:
    for media_type, uid, compared in (
        ("image/jpeg", JPEG, True),
        ("image/jls", JPEG_LS, True),
        ("image/jp2", JPEG_2000, False),
        ("image/jpx", f"{COMPRESSED}.92", False),
        ("image/dicom-rle", RLE, False),
        ("image/jphc", HTJ2K, True),
    ):
        yield Form(media_type, "frames/{last}", related(media_type), uid, compared=compared)
    for media_type, uid, compared in (
        ("image/jpeg", BASELINE, True),
        ("image/jpeg", f"{COMPRESSED}.51", False),
        ("image/jpeg", f"{COMPRESSED}.57", False),
        ("image/jls", f"{COMPRESSED}.81", False),
        ("image/jp2", f"{COMPRESSED}.91", False),
        ("image/jphc", f"{COMPRESSED}.202", False),
    ):
        name = f"{media_type} {uid.removeprefix(COMPRESSED)}"
        yield Form(name, "frames/{last}", related(media_type, uid), uid, compared=compared)


def _pictures() -> Iterator[Form]:
    for name, resource, accept in (
        ("rendered", "frames/{last}/rendered", "image/png"),
        ("rendered as JPEG", "frames/{last}/rendered", "image/jpeg"),
        ("rendered with a window", "frames/{last}/rendered?window=100,200,linear", "image/png"),
        ("rendered in a viewport", "frames/{last}/rendered?viewport=32,32", "image/png"),
        ("rendered instance", "rendered", "image/png"),
        ("thumbnail", "frames/{last}/thumbnail", "image/jpeg"),
    ):
        yield Form(name, resource, accept)


def _instances() -> Iterator[Form]:
    yield Form("instance as stored", "", related(DICOM, ANY), ANY, cheap=True)
    for name, uid, compared in (
        ("Explicit", EXPLICIT, True),
        ("Implicit", IMPLICIT, False),
        ("RLE", RLE, False),
        ("JPEG Baseline", BASELINE, False),
        ("JPEG Lossless", JPEG, False),
        ("JPEG-LS", JPEG_LS, False),
        ("JPEG 2000", JPEG_2000, False),
        ("HTJ2K", HTJ2K, False),
    ):
        yield Form(f"instance in {name}", "", related(DICOM, uid), uid, compared=compared)


UNCOMPRESSED, MADE, PICTURES, INSTANCES = map(tuple, (_octets(), _compressed(), _pictures(), _instances()))
FORMS: tuple[Form, ...] = (*UNCOMPRESSED, *MADE, *PICTURES, *INSTANCES)
