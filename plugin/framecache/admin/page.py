"""The page /frame-cache/app/: its files, and the buttons in Orthanc Explorer that lead there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePosixPath
from types import MappingProxyType

from framecache.errors import NotFound

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
