"""The two kinds of routes under /frame-cache/: what tells something (GET), and what changes something (POST)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from framecache.errors import FrameCacheError
from framecache.host.access import Access
from framecache.host.orthanc_adapter import send_error
from framecache.ports import Log, RestOutput

# Called with what the groups of the route's pattern matched. Raises FrameCacheError.
Answer = Callable[..., Mapping[str, Any]]


class JsonRoute:
    """GET of something, answered in JSON; errors too. It changes nothing."""

    method = "GET"

    def __init__(self, answer: Answer, access: Access, log: Log) -> None:
        self._answer, self._access, self._log = answer, access, log

    def __call__(self, output: RestOutput, _uri: str, **request: Any) -> None:
        """Orthanc's callback."""
        if request["method"] != self.method:
            output.SendMethodNotAllowed(self.method)
            return
        try:
            self._check(request["headers"])
            content = json.dumps(self._answer(*request["groups"]), indent=2).encode()
        except FrameCacheError as error:
            send_error(output, error)
        except Exception as error:  # noqa: BLE001 - an exception that escapes would be a 500 without a word
            self._log.error(f"frame cache: {type(error).__name__} in a request: {error}")
            send_error(output, FrameCacheError("internal error; Orthanc's log has more"))
        else:
            output.SetHttpHeader("Cache-Control", "no-store")
            output.SetHttpHeader("X-Content-Type-Options", "nosniff")
            output.AnswerBuffer(content, "application/json")

    def _check(self, headers: Mapping[str, str]) -> None:
        self._access.check(headers)


class ActionRoute(JsonRoute):
    """POST that changes something; the answer says what was done.

    Never by GET, which links, pictures and prefetching send, and never for a page of another site: the header
    `X-Frame-Cache: 1` has to be there (access.py says why).
    """

    method = "POST"

    def _check(self, headers: Mapping[str, str]) -> None:
        self._access.check_action(headers)
