"""The files that are sent unchanged from the package: the page /frame-cache/app/, and openapi.json."""

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
from framecache.dicomweb import url
from framecache.errors import FrameCacheError, NotFound
from framecache.ports import RestOutput
from framecache.serving.answer import is_known


class Document:
    """The area of the OpenAPI document. A test compares it with the registered routes."""

    def __init__(self) -> None:
        text = files("framecache.admin").joinpath("openapi.json").read_text(encoding="utf-8")
        self._document: dict[str, Any] = json.loads(text)
        self.get_routes: Mapping[str, Answer] = {"openapi[.]json": self.document}
        self.post_routes: Mapping[str, Answer] = {}

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
# Scripts, styles and data from this server alone, and no text that becomes markup: a patient's name stays text,
# whatever its characters (https://www.w3.org/TR/CSP3/, https://www.w3.org/TR/trusted-types/).
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
class PageFile:
    """A file of the page, as it is sent."""

    content: bytes
    content_type: str
    entity_tag: str


class PageFiles:
    """The files in the package's folder `static`; no path leads to any other file."""

    def __init__(self) -> None:
        folder = files("framecache.admin").joinpath("static")
        self._files = {path.name: _file(path.name, path.read_bytes()) for path in folder.iterdir() if path.is_file()}

    def file(self, path: str) -> PageFile:
        """The file at a path below /frame-cache/app/. Raises NotFound."""
        if path not in self._files:
            raise NotFound("the page has no such file")
        return self._files[path]

    @staticmethod
    def location(path: str) -> str | None:
        """The redirection for `path` below /frame-cache/app; None if the path is that of a file.

        Orthanc removes the slash from /frame-cache/app/, so we cannot see whether the browser sent it, and no relative
        address is right in both cases; an absolute one would lack a proxy's prefix. A wrong first guess comes back
        here as app/index.html, and a second redirection corrects it.
        """
        return {"": f"app/{_START}", f"app/{_START}": f"../{_START}"}.get(path)


def explorer_script() -> str:
    """JavaScript for `orthanc.ExtendOrthancExplorer`: buttons on the front page and on a study's page."""
    return files("framecache.admin").joinpath("explorer.js").read_text(encoding="utf-8")


def _file(name: str, content: bytes) -> PageFile:
    digest = hashlib.blake2b(content, digest_size=12).hexdigest()
    return PageFile(content, _CONTENT_TYPES[PurePosixPath(name).suffix], f'"{digest}"')


PATTERN = "/frame-cache/app(|/.*)"


class PageRoute:
    """GET of a file of the page, for users who may use the other routes."""

    def __init__(self, page: PageFiles, access: Access) -> None:
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
    """Plain text, as a person reads it in a browser. Orthanc sends it as text/plain."""
    # Sending fails if the client has left; there is nobody to answer.
    with contextlib.suppress(Exception):
        output.SendHttpStatus(error.status, f"Frame cache: {error}.\n".encode())


def _redirect(output: RestOutput, location: str, arguments: dict[str, str]) -> None:
    encoded = url.encoded(arguments)
    output.SetHttpHeader("Cache-Control", "no-store")
    output.SetHttpHeader("Location", f"{location}?{encoded}" if encoded else location)
    output.SendHttpStatus(307, b"")


def _send(output: RestOutput, file: PageFile, if_none_match: str | None) -> None:
    """Send the file, or 304 if the browser has it (RFC 9110 section 13.1.2)."""
    for name, value in {**HEADERS, "ETag": file.entity_tag}.items():
        output.SetHttpHeader(name, value)
    if is_known(file.entity_tag, if_none_match):
        output.SendHttpStatus(304, b"")
    else:
        output.AnswerBuffer(file.content, file.content_type)
