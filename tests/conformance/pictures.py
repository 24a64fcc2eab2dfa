"""Rendered frames and thumbnails: the routes, the parameters, and what has to come of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import imagecodecs
import numpy as np
from framecache.dicom.transfer_syntax import Encoding

from tests.conformance.checks import about_error
from tests.conformance.client import Client, Reply, accepting
from tests.conformance.stored import STORED, Pixels, Stored

JPEG, PNG = "image/jpeg", "image/png"
GREY_LEVELS = 2  # that a picture may differ from the stock plugin's
ROUTES = (
    "frames/2/rendered",
    "frames/2/thumbnail",
    "rendered",
    "thumbnail",
    "series rendered",
    "series thumbnail",
)


@dataclass(frozen=True)
class PictureCase:
    """A request for a picture; `shape` in rows and columns is the picture's with 200, the frame's if None."""

    name: str
    query: str
    accept: str | None
    status: int
    media_type: str = ""
    shape: tuple[int, int] | None = None


def _negotiated() -> Iterator[PictureCase]:
    for name, accept, media_type in (
        ("no header", None, JPEG),
        ("any", "*/*", JPEG),
        ("any image", "image/*", JPEG),
        ("JPEG", JPEG, JPEG),
        ("PNG", PNG, PNG),
        ("PNG rather than JPEG", "image/jpeg;q=0.5, image/png", PNG),
        ("a browser's img", "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", PNG),
    ):
        yield PictureCase(name, "", accept, 200, media_type)
    yield PictureCase("`accept=` before the header", "accept=image%2Fpng", "text/html", 200, PNG)
    yield PictureCase("GIF", "", "image/gif", 406)
    yield PictureCase("HTML", "", "text/html", 406)
    yield PictureCase("JPEG and PNG refused", "", "image/jpeg;q=0, image/png;q=0", 406)
    yield PictureCase("nonsense", "", "nonsense", 400)


def _with_parameters() -> Iterator[PictureCase]:
    for query, shape in (
        ("quality=1", None),
        ("quality=100", None),
        ("window=1500,2000,linear", None),
        ("window=1500.5,2e3,linear-exact", None),
        ("window=1500,2000,sigmoid", None),
        ("viewport=20,16", (16, 20)),
        ("viewport=80,64", (64, 80)),
        ("viewport=10,10,4,4,20,20", (10, 10)),
        ("viewport=10,10,4,4,-20,-20", (10, 10)),
        ("viewport=20,16&window=1500,2000,linear&quality=50", (16, 20)),
        ("unknown=1", None),
    ):
        yield PictureCase(query, query, None, 200, JPEG, shape)


def _invalid() -> Iterator[PictureCase]:
    for query in (
        "quality=0",
        "quality=101",
        "quality=best",
        "quality=",
        "window=",
        "window=1,2",
        "window=1,0,linear",
        "window=1,2,LINEAR",
        "window=a,2,linear",
        "window=nan,2,linear",
        "viewport=10",
        "viewport=0,10",
        "viewport=-10,10",
        "viewport=10,10,1",
        "viewport=10,10,a,1,1,1",
        "viewport=99999,99999",
    ):
        yield PictureCase(query, query, None, 400)


CASES = (*_negotiated(), *_with_parameters(), *_invalid())
Asked = Sequence[tuple[str, PictureCase]]
ALL_PAIRS: Asked = tuple(product(ROUTES, CASES))


def path_of(stored: Stored, route: str) -> str:
    if route.startswith("series "):
        return f"{stored.series_path}/{route.removeprefix('series ')}"
    return f"{stored.path}/{route}"


def ask(client: Client, stored: Stored, route: str, case: PictureCase) -> Reply:
    query = f"?{case.query}" if case.query else ""
    return client.get(path_of(stored, route) + query, accepting(case.accept))


def some_pairs(stored: Stored) -> Asked:
    """Each case by one of the routes: over the instances of the table, each case comes by each route."""
    first = STORED.index(stored)
    return [(ROUTES[(first + position) % len(ROUTES)], case) for position, case in enumerate(CASES)]


def complaints(client: Client, stored: Stored, asked: Asked = ALL_PAIRS) -> Iterator[str]:
    """About what one instance that can be drawn is asked for."""
    for route, case in asked:
        for complaint in _complaints(ask(client, stored, route, case), stored, case):
            yield f"{stored.name}, {route}, {case.name}: {complaint}"


def _complaints(reply: Reply, stored: Stored, case: PictureCase) -> Iterator[str]:
    if reply.status != case.status:
        yield f"{reply.status} instead of {case.status}: {reply.body[:150]!r}"
    elif reply.status != 200:
        yield from about_error(reply)
    elif reply.content_type != case.media_type:
        yield f"is {reply.content_type}"
    elif pixels_of(reply).shape[:2] != (case.shape or stored.pixels[0].shape[:2]):
        yield f"is {pixels_of(reply).shape}"


def pixels_of(reply: Reply) -> Pixels:
    decoder = imagecodecs.png_decode if reply.content_type == PNG else imagecodecs.jpeg_decode
    return np.asarray(decoder(reply.body))


def can_be_drawn(stored: Stored) -> bool:
    """Floats have no defined picture here; all else has."""
    return stored.keyword == "PixelData" and stored.encoding is not Encoding.VIDEO
