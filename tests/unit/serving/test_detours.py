"""A slash behind a URL, and where a client is when it followed the Location from there."""

from __future__ import annotations

import re
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from framecache.serving.detours import detours

from tests.unit.fakes import FakeOutput

SERIES = "/dicom-web/studies/1.2/series/1.3"
INSTANCE = f"{SERIES}/instances/1.4"


def follow(url: str) -> str | None:
    """Where the detour at `url` leads; None where there is none."""
    path = urlsplit(url).path
    for pattern, detour in detours().items():
        if found := re.fullmatch(f"/dicom-web/{pattern}", unquote(path)):
            output = FakeOutput()
            detour(output, path, method="GET", groups=found.groups(), get={"token": "a,b"}, headers={})
            assert (output.status, output.headers["Cache-Control"]) == (307, "no-store")
            assert "\r" not in output.headers["Location"]
            return urljoin(url, output.headers["Location"])
    return None


@pytest.mark.parametrize(
    ("asked", "location", "meant"),
    [
        (f"{INSTANCE}/frames/2", "02", f"{INSTANCE}/frames/02"),
        (f"{INSTANCE}/frames/2,3", "02,3", f"{INSTANCE}/frames/02,3"),
        (f"{INSTANCE}/frames/2/rendered", "../02/rendered", f"{INSTANCE}/frames/02/rendered"),
        (f"{INSTANCE}/rendered", "frames/01/rendered", f"{INSTANCE}/frames/01/rendered"),
        (f"{INSTANCE}/thumbnail", "frames/01/rendered", f"{INSTANCE}/frames/01/rendered"),
        (
            f"{SERIES}/thumbnail",
            "instances/1.4/frames/01/rendered",
            f"{SERIES}/instances/1.4/frames/01/rendered",
        ),
    ],
)
def test_the_frame_is_reached_with_a_slash_and_without(asked: str, location: str, meant: str) -> None:
    assert urljoin(asked, location) == meant
    assert follow(meant) is None
    assert follow(urljoin(f"{asked}/", location)) == f"{meant}?token=a,b"


def test_nothing_of_the_path_ends_a_line_of_the_answer() -> None:
    follow(f"{SERIES}/rendered/instances/1%0d%0aSet-Cookie:x/frames/01/rendered")
