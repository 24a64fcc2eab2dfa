"""307 (RFC 9110 section 15.4.8): a client repeats its request elsewhere, and nothing is buffered here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from framecache.dicomweb import query
from framecache.ports import RestOutput


def redirect(output: RestOutput, location: str, arguments: Mapping[str, str]) -> None:
    """Send it to `location`, relative to its request, with the arguments of its query."""
    encoded = query.encoded(arguments)
    output.SetHttpHeader("X-Frame-Cache", "bypass")
    output.SetHttpHeader("Cache-Control", "no-store")
    output.SetHttpHeader("Location", f"{location}?{encoded}" if encoded else location)
    # It fails where the client has left, and then there is nobody to tell.
    with contextlib.suppress(Exception):
        output.SendHttpStatus(307, b"")
