"""What is sent as it lies in the package: the page /frame-cache/app/, and openapi.json."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

from framecache.admin.area import Answer
from framecache.admin.routes import Access
from framecache.dicomweb import query
from framecache.errors import FrameCacheError, NotFound
from framecache.ports import RestOutput
from framecache.serving.answer import is_known


class Document:
    """The area of the description of all areas. A test compares it with the routes that are registered."""

    def __init__(self) -> None:
        text = files("framecache.admin").joinpath("openapi.json").read_text(encoding="utf-8")
        self._document: dict[str, Any] = json.loads(text)
        self.told: Mapping[str, Answer] = {"openapi[.]json": self.document}
        self.done: Mapping[str, Answer] = {}

    def document(self) -> dict[str, Any]:
        """GET /frame-cache/openapi.json."""
        return self._document


_START = "index.html"
_CONTENT_TYPES = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
    }
)
# Scripts, styles and data from this server's files alone, and no text that becomes markup: a patient's name stays a
# name, whatever it is made of (https://www.w3.org/TR/CSP3/, https://www.w3.org/TR/trusted-types/).
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": _POLICY,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
)


@dataclass(frozen=True, slots=True)
class File:
    """One of the page's files, as it is sent."""

    content: bytes
    content_type: str
    entity_tag: str


class Page:
    """The files in the package's folder `static`; no other name is known, whatever the path."""

    def __init__(self) -> None:
        folder = files("framecache.admin").joinpath("static")
        self._files = {path.name: _file(path.name, path.read_bytes()) for path in folder.iterdir() if path.is_file()}

    def file(self, path: str) -> File:
        """The file of a path below /frame-cache/app/. Raises NotFound."""
        if path not in self._files:
            raise NotFound("the page has no such file")
        return self._files[path]

    @staticmethod
    def location(path: str) -> str | None:
        """Where a browser goes on that asked for `path` below /frame-cache/app; None: nowhere, it is a file's.

        Orthanc takes the slash off /frame-cache/app/, so with or without it is not known here, and no address that
        is relative is right for both; an absolute one would lack a proxy's prefix. The first guess is seen to be wrong
        when it comes back, and is put right.
        """
        return {"": f"app/{_START}", f"app/{_START}": f"../{_START}"}.get(path)


def explorer_script() -> str:
    """JavaScript for `orthanc.ExtendOrthancExplorer`: buttons on the front page and on that of a study."""
    return files("framecache.admin").joinpath("explorer.js").read_text(encoding="utf-8")


def _file(name: str, content: bytes) -> File:
    digest = hashlib.blake2b(content, digest_size=12).hexdigest()
    return File(content, _CONTENT_TYPES[PurePosixPath(name).suffix], f'"{digest}"')


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
