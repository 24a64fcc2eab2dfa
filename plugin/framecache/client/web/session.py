"""An HTTP session for many threads: connections are kept, and what fails for a moment is asked for again."""

from __future__ import annotations

import random
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from framecache.client.errors import UnreachableError, error_of, without_login

_CONNECTIONS = 32
# RFC 9110 section 15.6 and RFC 6585 section 4: a later try may help.
_PASSING = (408, 429, 502, 503, 504)
_FIRST_ERROR = 400


class JitteredRetry(Retry):
    """Waits a random part of the time that doubles, so that clients that failed together do not come back together."""

    def get_backoff_time(self) -> float:
        """Seconds."""
        return random.uniform(0.5, 1.0) * super().get_backoff_time()  # noqa: S311 - no secret


def retries(attempts: int = 5, backoff_seconds: float = 0.5) -> JitteredRetry:
    """Of requests that change nothing if they are sent twice (RFC 9110 section 9.2.2): all but POST.

    Waits between them double from `backoff_seconds`; a server's Retry-After comes first.
    """
    return JitteredRetry(
        attempts - 1, redirect=10, status_forcelist=_PASSING, backoff_factor=backoff_seconds, raise_on_status=False
    )


class ClientSession(requests.Session):
    """Raises ClientError for what a server refuses, with the server's response, and where none answers."""

    def __init__(self, retry: Retry | None = None) -> None:
        """`retry` is of `retries` if it is None."""
        super().__init__()
        adapter = HTTPAdapter(_CONNECTIONS, _CONNECTIONS, max_retries=retries() if retry is None else retry)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """As requests'. Errors name no query and no login: there are names of patients in it, and passwords."""
        url = without_login((request.url or "").partition("?")[0])
        try:
            response = super().send(request, **kwargs)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.RetryError) as error:
            # From None, as what requests says names the query.
            raise UnreachableError(f"no answer ({type(error).__name__})", url) from None
        if response.status_code >= _FIRST_ERROR:
            refusal = error_of(response.status_code, f"{response.status_code} {response.reason}", url)
            response.url = without_login(response.url)
            refusal.response = response
            raise refusal
        return response


def leave_connections(session: requests.Session) -> list[object]:
    """In a process that was forked: let a session open its own, and wait for no lock of the old process.

    Returns those of the old process, which must be kept: to close them takes locks, too.
    """
    adapters: list[Any] = [one for one in session.adapters.values() if isinstance(one, HTTPAdapter)]
    inherited: list[object] = [(one.poolmanager, one.proxy_manager) for one in adapters]
    for adapter in adapters:
        adapter.__setstate__(adapter.__getstate__())  # as in a copy that was sent to another process
    session.cookies = session.cookies.copy()
    return inherited
