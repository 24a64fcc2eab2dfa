"""Where a hand-over leads a client that has put a slash behind its URL.

Orthanc takes `…/frames/2/` for `…/frames/2` and does not tell which of them was asked for. A Location that is relative,
so that it is right behind any proxy, leads such a client to a place below the one that is meant (RFC 3986 section
5.2.3): from there it is sent on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from framecache.dicomweb import url
from framecache.ports import RestOutput
from framecache.serving.transactions import FRAMES, INSTANCE, PICTURE, SERIES


def redirect(output: RestOutput, location: str, arguments: Mapping[str, str]) -> None:
    """Send it to `location`, relative to its request, with the arguments of its query."""
    encoded = url.encoded(arguments)
    output.SetHttpHeader("X-Frame-Cache", "bypass")
    output.SetHttpHeader("Cache-Control", "no-store")
    output.SetHttpHeader("Location", f"{location}?{encoded}" if encoded else location)
    # It fails where the client has left, and then there is nobody to tell.
    with contextlib.suppress(Exception):
        output.SendHttpStatus(307, b"")


# By the pattern of a path below the DICOMweb root: where it leads, with the last groups of the pattern.
_LOCATIONS = MappingProxyType(
    {
        f"{INSTANCE}/frames/{FRAMES}/0{FRAMES}": "../0{4}",
        f"{INSTANCE}/frames/{FRAMES}/0{FRAMES}/rendered": "../../0{4}/rendered",
        f"{INSTANCE}/{PICTURE}/frames/01/rendered": "../../../frames/01/rendered",
        f"{SERIES}/{PICTURE}/instances/([^/]+)/frames/01/rendered": "../../../../../instances/{3}/frames/01/rendered",
    }
)


class Detour:
    """Orthanc's callback for one of the patterns."""

    def __init__(self, location: str) -> None:
        self._location = location

    def __call__(self, output: RestOutput, _uri: str, **request: Any) -> None:
        """Send the client on, with its query."""
        redirect(output, self._location.format(*(quote(group, ",") for group in request["groups"])), request["get"])


def detours() -> dict[str, Detour]:
    """All of them, by the patterns of their paths."""
    return {pattern: Detour(location) for pattern, location in _LOCATIONS.items()}
