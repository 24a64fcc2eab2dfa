"""Single requests, timed from the first byte sent to the last byte received."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.load import ACCEPT

LONGEST_SECONDS = 180.0


class NotAvailable(Exception):
    """The subject cannot do it, or another one answered in its place; the text says which."""


@dataclass(frozen=True)
class Answer:
    """How a request was answered. `frame_cache` is the header X-Frame-Cache, empty where it is not sent."""

    seconds: float
    status: int
    length: int
    frame_cache: str
    body: bytes
    content_type: str = ""


class Client:
    """One connection that is kept as long as the server keeps it."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=LONGEST_SECONDS)

    def get(self, path: str, accept: str = ACCEPT, coding: str = "identity") -> Answer:
        """Ask once, and once more on a new connection if the server had closed the old one.

        `coding` is an Accept-Encoding; the body is what comes over the wire.
        """
        try:
            return self._get(path, accept, coding)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self._connection.close()
            return self._get(path, accept, coding)

    def _get(self, path: str, accept: str, coding: str) -> Answer:
        started = time.perf_counter()
        self._connection.request("GET", path, headers={"Accept": accept, "Accept-Encoding": coding})
        response = self._connection.getresponse()
        body = response.read()
        seconds = time.perf_counter() - started
        outcome, kind = (response.headers.get(name, "") for name in ("X-Frame-Cache", "Content-Type"))
        return Answer(seconds, response.status, len(body), outcome, body, kind)

    def post(self, path: str, body: bytes) -> None:
        """Send `body`. Raises NotAvailable where it is not taken."""
        self._connection.request("POST", path, body)
        response = self._connection.getresponse()
        response.read()
        if response.status != http.client.OK:
            raise NotAvailable(f"the upload was answered {response.status}")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def get(url: str, path: str, accept: str = ACCEPT, coding: str = "identity") -> Answer:
    """One request on a connection of its own. Raises NotAvailable for an answer that is an error."""
    client = Client(url)
    try:
        answer = client.get(path, accept, coding)
    finally:
        client.close()
    if answer.status != http.client.OK:
        raise NotAvailable(f"answered {answer.status}" + (f" ({answer.frame_cache})" if answer.frame_cache else ""))
    return answer
