"""A real HTTP server on loopback that answers as a test says, and notes what it was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

# A Reply, or only its content; or what makes one of these for each request.
Answer = Any


def unknown(path: str) -> dict[str, object]:
    """What Orthanc 1.12.7 and 1.13.0 answer to a path that nobody has registered."""
    return {
        "HttpError": "Not Found",
        "HttpStatus": 404,
        "Message": "Unknown resource",
        "Method": "GET",
        "OrthancError": "Unknown resource",
        "OrthancStatus": 17,
        "Uri": path,
    }


@dataclass(frozen=True)
class Request:
    """`path` is without the arguments."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """`content` goes out as JSON, bytes as they are."""

    content: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class FakeOrthanc:
    """`answers` are by path, or by method and path; whatever else is asked for is 404 as in Orthanc."""

    answers: dict[str, Answer]
    url: str = ""
    requests: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> Reply:
        self.requests.append(request)
        found = self.answers.get(f"{request.method} {request.path}", self.answers.get(request.path))
        if callable(found):
            found = found(request)
        if found is None:
            return Reply(unknown(request.path), 404)
        return found if isinstance(found, Reply) else Reply(found)

    @property
    def changes(self) -> list[str]:
        """What was asked of it that may change something."""
        return [request.path for request in self.requests if request.method == "POST"]


@contextmanager
def serving(answers: dict[str, Answer]) -> Iterator[FakeOrthanc]:
    fake = FakeOrthanc(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 10

        def do_GET(self) -> None:
            target = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply = fake.answer(Request(self.command, target.path, target.query, dict(self.headers), body))
            content = reply.content if isinstance(reply.content, bytes) else json.dumps(reply.content).encode()
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield fake
        server.shutdown()
