"""The GET and POST routes under /frame-cache/, and the users who may use them."""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from framecache.admin.area import Answer, Content, read_arguments, read_json
from framecache.dicomweb import url
from framecache.errors import BadRequest, Forbidden, FrameCacheError, reason
from framecache.ports import RestOutput
from framecache.serving.route import send_error

# A page of another site can make a browser send a POST with the user's login, but not with a custom header: the
# browser would send a preflight first (https://fetch.spec.whatwg.org/#cors-preflight-fetch), which Orthanc refuses.
ACTION_HEADER = "X-Frame-Cache"
# Sec-Fetch-Site of requests from our own page (https://www.w3.org/TR/fetch-metadata/); "none" is the user's own.
_OWN_SITE = ("same-origin", "none")


class Access:
    """Admits every user whom Orthanc admits, or only certain users by name.

    If Orthanc requires passwords, the header that Orthanc has verified identifies the user. Otherwise a proxy in front
    of Orthanc may have verified the name, or nobody: it is a claim.
    """

    def __init__(self, users: Sequence[str], configuration: Mapping[str, Any]) -> None:
        """Admit only `users`, or everybody if it is empty; `configuration` is Orthanc's."""
        self._users = frozenset(users)
        self.verifies = authenticates(configuration)
        registered = configuration.get("RegisteredUsers")
        pairs = registered.items() if isinstance(registered, Mapping) else ()
        self._registered = {_basic(user, password): user for user, password in pairs if isinstance(password, str)}

    def check(self, headers: Mapping[str, str]) -> None:
        """Raises Forbidden if the user is not admitted; names of headers are lower case."""
        if not self._users:
            return
        authorization = headers.get("authorization", "")
        user = self._registered.get(authorization) if self.verifies else _claimed_user(authorization)
        if user not in self._users:
            raise Forbidden('only users in the setting "AdminUsers" may use this')

    def check_action(self, headers: Mapping[str, str]) -> None:
        """Like `check`, for a request that changes state. Raises Forbidden."""
        self.check(headers)
        if not headers.get(ACTION_HEADER.lower()):
            raise Forbidden(f'requests that change state require the header "{ACTION_HEADER}: 1"')
        if headers.get("sec-fetch-site", "none") not in _OWN_SITE:
            raise Forbidden("pages of another site may not change state")


def authenticates(configuration: Mapping[str, Any]) -> bool:
    """Whether Orthanc requires passwords; by default it does if it admits other machines."""
    default = configuration.get("RemoteAccessAllowed", False)
    return configuration.get("AuthenticationEnabled", default) is True


def _basic(user: str, password: str) -> str:
    """The header of HTTP's basic authentication (RFC 7617 section 2), as Orthanc compares it."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _claimed_user(authorization: str) -> str | None:
    scheme, _, credentials = authorization.partition(" ")
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return decoded.partition(":")[0] if scheme.lower() == "basic" else None


logger = logging.getLogger(__name__)

_HEADERS = MappingProxyType({"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})


class JsonRoute:
    """GET, answered in JSON unless the answer is a Content; errors are JSON, too. It changes nothing."""

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
        except Exception as error:  # noqa: BLE001 - an exception that escapes would be a 500 without a message
            logger.error("a request failed: %s", reason(error))
            send_error(output, FrameCacheError("internal error; see Orthanc's log"))
        else:
            for name, value in (_HEADERS | content.headers).items():
                output.SetHttpHeader(name, value)
            output.AnswerBuffer(content.body, content.content_type)

    def _check(self, headers: Mapping[str, str]) -> None:
        self._access.check(headers)

    def _arguments(self, request: Mapping[str, Any]) -> Mapping[str, str]:
        """The arguments of the query string."""
        return url.decoded(request["get"])


class ActionRoute(JsonRoute):
    """POST that changes state; the answer reports the change.

    GET never does, as links, images and prefetching send it, nor does a page of another site: the header
    `X-Frame-Cache: 1` is required (see ACTION_HEADER).
    """

    method = "POST"

    def _check(self, headers: Mapping[str, str]) -> None:
        self._access.check_action(headers)

    def _arguments(self, request: Mapping[str, Any]) -> Mapping[str, str]:
        """The members of the body's JSON object: Orthanc drops the query of a POST. Raises BadRequest."""
        body = request.get("body")
        if not body:
            return {}
        try:
            values = read_json(body)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise BadRequest("the body must be empty or a JSON object of arguments")
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


def _content(answer: Mapping[str, Any] | Content) -> Content:
    if isinstance(answer, Content):
        return answer
    return Content(json.dumps(answer, indent=2).encode(), "application/json")
