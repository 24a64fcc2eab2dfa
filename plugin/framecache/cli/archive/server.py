"""An HTTP server over an archive. It is small on purpose: a web server before the files is what a site runs."""

from __future__ import annotations

import gzip
import logging
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self, cast
from urllib.parse import parse_qs, unquote, urlsplit

from framecache.cli.archive.resources import Content, Resources
from framecache.errors import FrameCacheError
from framecache.tree.tree import Tree

logger = logging.getLogger(__name__)

_PACKED_FROM = 1024  # bytes


class ArchiveServer(ThreadingHTTPServer):
    """Answers GET and HEAD at `url`, for pages of any origin."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], tree: Tree) -> None:
        super().__init__(address, _Request)
        self.resources = Resources(tree, self.url)

    @property
    def url(self) -> str:
        """The root of DICOMweb."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/dicom-web"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *arguments: object) -> None:
        self.server_close()
        self.resources.close()


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        arguments = {name: ",".join(values) for name, values in parse_qs(address.query).items()}
        if "/frames/" in address.path:  # the header says what the parameter may say instead (PS3.18 section 8.3.3.1)
            arguments.setdefault("accept", self.headers.get("Accept", ""))
        try:
            content = cast(ArchiveServer, self.server).resources.get(unquote(address.path), arguments)
            self._send(HTTPStatus.OK, content)
        except FrameCacheError as error:
            self._send(HTTPStatus(getattr(error, "status", 500)), Content(f"{error}\n".encode(), "text/plain"))

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def do_OPTIONS(self) -> None:
        self._send(HTTPStatus.NO_CONTENT, Content(b"", "text/plain"))

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
        """No log: URLs may have names of patients in a search."""

    def _send(self, status: HTTPStatus, content: Content) -> None:
        body = content.body
        is_packed = (
            content.content_type.endswith("json")
            and len(body) >= _PACKED_FROM
            and "gzip" in self.headers.get("Accept-Encoding", "")
        )
        if is_packed:
            body = gzip.compress(body, 1)
        self.send_response(status)
        for name in ("Access-Control-Allow-Origin", "Access-Control-Allow-Headers"):
            self.send_header(name, "*")
        self.send_header("Content-Type", content.content_type)
        self.send_header("Content-Length", str(len(body)))
        if is_packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
