"""The two kinds of routes under /frame-cache/: what tells something (GET), and what changes something (POST)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from framecache.admin.access import Access
from framecache.admin.answers import Answer, Content
from framecache.admin.arguments import read_arguments
from framecache.admin.json_text import read_json
from framecache.dicomweb import query
from framecache.errors import BadRequest, FrameCacheError, reason
from framecache.ports import RestOutput
from framecache.serving.route import send_error

logger = logging.getLogger(__name__)

_HEADERS = MappingProxyType({"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})


class JsonRoute:
    """GET of something, answered in JSON unless it is a Content; errors in JSON too. It changes nothing."""

    method = "GET"

    def __init__(self, answer: Answer, access: Access) -> None:
        self.answer, self._access = answer, access

    def __call__(self, output: RestOutput, _uri: str, **request: Any) -> None:
        """Orthanc's callback."""
        if request["method"] != self.method:
            output.SendMethodNotAllowed(self.method)
            return
        try:
            self._check(request["headers"])
            arguments = read_arguments(self.answer, self._arguments(request))
            content = _content(self.answer(*request["groups"], **arguments))
        except FrameCacheError as error:
            send_error(output, error)
        except Exception as error:  # noqa: BLE001 - an exception that escapes would be a 500 without a word
            logger.error("a request failed: %s", reason(error))
            send_error(output, FrameCacheError("internal error; Orthanc's log has more"))
        else:
            for name, value in (_HEADERS | content.headers).items():
                output.SetHttpHeader(name, value)
            output.AnswerBuffer(content.body, content.content_type)

    def _check(self, headers: Mapping[str, str]) -> None:
        self._access.check(headers)

    def _arguments(self, request: Mapping[str, Any]) -> Mapping[str, str]:
        """Those of the query."""
        return query.decoded(request["get"])


class ActionRoute(JsonRoute):
    """POST that changes something; the answer says what was done.

    Never by GET, which links, pictures and prefetching send, and never for a page of another site: the header
    `X-Frame-Cache: 1` has to be there (access.py says why).
    """

    method = "POST"

    def _check(self, headers: Mapping[str, str]) -> None:
        self._access.check_action(headers)

    def _arguments(self, request: Mapping[str, Any]) -> Mapping[str, str]:
        """Those of the body, a JSON object: Orthanc does not pass on the query of a POST. Raises BadRequest."""
        body = request.get("body")
        if not body:
            return {}
        try:
            values = read_json(body)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise BadRequest("the body may be empty, or a JSON object with arguments")
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


def _content(answer: Mapping[str, Any] | Content) -> Content:
    if isinstance(answer, Content):
        return answer
    return Content(json.dumps(answer, indent=2).encode(), "application/json")
