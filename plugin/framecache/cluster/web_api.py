"""Orthanc's REST API over the network, of whichever node answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import requests

from framecache.errors import NotFound, SourceError, reason

_TIMEOUTS = (5.0, 120.0)  # seconds to connect, and between two pieces of an answer
_AWAY = frozenset({502, 503, 504})  # what a proxy says of a node, or a node of itself, that cannot answer now
_ANY = "/system"


class WebApi:
    """Safe for several threads. A node that cannot be reached is left for the next one."""

    def __init__(self, urls: Sequence[str], new_session: Callable[[], requests.Session]) -> None:
        """`urls` are those of nodes that share an index."""
        self._urls, self._first, self._new_session = [url.rstrip("/") for url in urls], 0, new_session
        self._own = threading.local()

    def get(self, uri: str) -> bytes:
        """Raises NotFound, SourceError."""
        return self._ask("GET", uri, None)

    def post(self, uri: str, body: bytes) -> bytes:
        """Only questions are posted here. Raises NotFound, SourceError."""
        return self._ask("POST", uri, body)

    def check(self) -> None:
        """Raises SourceError where no node answers, or the one that does has a fault (RFC 9110 section 15.6)."""
        if self._answer("GET", _ANY, None).status_code >= requests.codes.server_error:
            raise SourceError("Orthanc has a fault")

    def _ask(self, method: str, uri: str, body: bytes | None) -> bytes:
        return _content(self._answer(method, uri, body), uri)

    def _answer(self, method: str, uri: str, body: bytes | None) -> requests.Response:
        error: Exception | None = None
        first = self._first
        for attempt in range(len(self._urls)):
            place = (first + attempt) % len(self._urls)
            try:
                answer = self._session().request(
                    method, self._urls[place] + uri, data=body, timeout=_TIMEOUTS, allow_redirects=False
                )
            except requests.RequestException as failure:
                error = failure
                continue
            if answer.status_code in _AWAY:
                error = SourceError(f"it answers with {answer.status_code}")
                continue
            self._first = place
            return answer
        told = reason(error) if isinstance(error, SourceError) else type(error).__name__
        raise SourceError(f"no Orthanc can be reached: {told}") from error

    def _session(self) -> requests.Session:
        """A session is for one thread."""
        if not hasattr(self._own, "session"):
            self._own.session = self._new_session()
        session: requests.Session = self._own.session
        return session


def _content(answer: requests.Response, uri: str) -> bytes:
    if answer.status_code == requests.codes.not_found:
        raise NotFound(f"Orthanc has no {uri.partition('?')[0]}")
    if answer.status_code != requests.codes.ok:
        raise SourceError(f"Orthanc answers {uri.partition('?')[0]} with {answer.status_code}")
    return answer.content
