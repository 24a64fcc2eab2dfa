"""The page's files as Orthanc's callback answers them."""

from __future__ import annotations

import contextlib
from typing import Any

from framecache.admin.access import Access
from framecache.admin.page import HEADERS, File, Page
from framecache.dicomweb import query
from framecache.errors import FrameCacheError
from framecache.ports import RestOutput
from framecache.serving.responder import is_known

PATTERN = "/frame-cache/app(|/.*)"


class PageRoute:
    """GET of one of the page's files; who may not use the other routes gets none."""

    def __init__(self, page: Page, access: Access) -> None:
        self._page, self._access = page, access

    def __call__(self, output: RestOutput, _uri: str, **request: Any) -> None:
        """Orthanc's callback."""
        if request["method"] != "GET":
            output.SendMethodNotAllowed("GET")
            return
        path = request["groups"][0].removeprefix("/")
        try:
            self._access.check(request["headers"])
            location = self._page.location(path)
            if location is not None:
                _redirect(output, location, request["get"])
            else:
                _send(output, self._page.file(path), request["headers"].get("if-none-match"))
        except FrameCacheError as error:
            _refuse(output, error)


def _refuse(output: RestOutput, error: FrameCacheError) -> None:
    """In words: it is a person's browser that shows this. Orthanc sends it as text/plain."""
    # It fails where the client has left, and then there is nobody to tell.
    with contextlib.suppress(Exception):
        output.SendHttpStatus(error.status, f"Frame cache: {error}.\n".encode())


def _redirect(output: RestOutput, location: str, arguments: dict[str, str]) -> None:
    encoded = query.encoded(arguments)
    output.SetHttpHeader("Cache-Control", "no-store")
    output.SetHttpHeader("Location", f"{location}?{encoded}" if encoded else location)
    output.SendHttpStatus(307, b"")


def _send(output: RestOutput, file: File, if_none_match: str | None) -> None:
    """The file, or 304 when the browser has it (RFC 9110 section 13.1.2)."""
    for name, value in {**HEADERS, "ETag": file.entity_tag}.items():
        output.SetHttpHeader(name, value)
    if is_known(file.entity_tag, if_none_match):
        output.SendHttpStatus(304, b"")
    else:
        output.AnswerBuffer(file.content, file.content_type)
