"""Between Orthanc's callbacks and the package's values; the only place that knows RestOutput."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote_plus, urlencode

from framecache.errors import (
    BadRequest,
    FrameCacheError,
    NotAcceptable,
    NotFound,
    Overloaded,
    SourceError,
    UnknownInstance,
)
from framecache.identity import InstancePath
from framecache.metrics import Metrics
from framecache.ports import Log, OrthancModule, RestOutput
from framecache.retrieval import Answer, FrameRequest, Retrieval

# The stock plugin reads 01 as 1, and our own pattern does not match it.
FRAMES_PATTERN = "studies/([^/]+)/series/([^/]+)/instances/([^/]+)/frames/([1-9][0-9,]*)"
ALL_FRAMES_PATTERN = "studies/([^/]+)/series/([^/]+)/instances/([^/]+)/frames"
# Asked for by the start-up test; no instance has these UIDs.
SENTINEL = InstancePath("0.0", "0.0", "0.0")
_SENTINEL_GROUPS = ("0.0", "0.0", "0.0")
_OK = 200
SENTINEL_ANSWER = b"frame-cache"
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")  # RFC 3986 section 2.1
_NOT_FOUND_CODES = frozenset({17, 18})  # OrthancPluginErrorCode: UnknownResource and its neighbour, InexistentItem


class ModuleLog:
    """Orthanc's log."""

    def __init__(self, module: OrthancModule) -> None:
        self.info = module.LogInfo
        self.warning = module.LogWarning
        self.error = module.LogError


class ModuleApi:
    """Orthanc's REST API, called in the process."""

    def __init__(self, module: OrthancModule) -> None:
        self._get, self._post = module.RestApiGet, module.RestApiPost

    def get(self, uri: str) -> bytes:
        return _call(lambda: self._get(uri))

    def post(self, uri: str, body: bytes) -> bytes:
        return _call(lambda: self._post(uri, body))


def _call(function: Callable[[], bytes]) -> bytes:
    try:
        return function()
    except Exception as error:  # the module's own exception type is not importable here
        code, message = (*error.args, None, None)[:2]
        if code in _NOT_FOUND_CODES:
            raise NotFound(str(message)) from error
        raise SourceError(f"Orthanc refuses: {message or code}") from error


def for_good(callback: Callable[..., None]) -> Callable[..., None]:
    """`callback`, in a form that may be registered in Orthanc.

    When it stops, Orthanc's Python plugin gives up its references to callbacks without holding the interpreter's
    lock: if that were the last reference, freeing the object would crash the server. A cycle holds one more.
    """

    def kept(*positional: Any, **named: Any) -> None:
        callback(*positional, **named)

    vars(kept)["itself"] = kept
    return kept


class FrameRoute:
    """GET …/frames/{list} and GET …/frames.

    A viewer never sees an error because of the cache: the stock plugin is asked instead.
    """

    def __init__(self, retrieval: Retrieval, metrics: Metrics, log: Log, is_serving: Callable[[], bool]) -> None:
        self._retrieval, self._metrics, self._log, self._is_serving = retrieval, metrics, log, is_serving

    def __call__(self, output: RestOutput, _uri: str, **request: Any) -> None:
        """Orthanc's callback."""
        if request["method"] != "GET":
            output.SendMethodNotAllowed("GET")
        elif tuple(request["groups"][:3]) == _SENTINEL_GROUPS:
            output.AnswerBuffer(SENTINEL_ANSWER, "text/plain")
        elif not self._is_serving():
            self._hand_over(output, request)
        else:
            self._answer(output, request)

    def _answer(self, output: RestOutput, request: Mapping[str, Any]) -> None:
        try:
            with self._retrieval.answer(_frame_request(request)) as answer:
                self._send(output, answer)
        except (BadRequest, NotFound, NotAcceptable, Overloaded) as error:
            _send_error(output, error)
        except FrameCacheError as error:
            self._log.info(f"frame cache: handed over: {error}")
            self._hand_over(output, request, error)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with us, the stock plugin can answer
            self._metrics.count("errors")
            self._log.error(f"frame cache: {type(error).__name__} in a request: {error}")
            self._hand_over(output, request)

    def _send(self, output: RestOutput, answer: Answer) -> None:
        for name, value in answer.headers.items():
            output.SetHttpHeader(name, value)
        try:
            if answer.status != _OK:
                output.SendHttpStatus(answer.status, b"")
            elif isinstance(answer.body, memoryview):
                output.AnswerBuffer(answer.body, answer.content_type)
            else:
                output.StartStreamAnswer(answer.content_type)
                for chunk in answer.body:
                    output.SendStreamChunk(chunk)
        except Exception as error:  # noqa: BLE001 - the answer has begun: it can only break off
            self._log.info(f"frame cache: an answer broke off: {error}")

    def _hand_over(self, output: RestOutput, request: Mapping[str, Any], error: FrameCacheError | None = None) -> None:
        """307 (RFC 9110 section 15.4.8): the client repeats its request, and nothing is buffered here."""
        self._metrics.count("bypasses")
        if len(request["groups"]) == len(_SENTINEL_GROUPS) and not isinstance(error, UnknownInstance):
            # The stock plugin's own answer to …/frames lacks frame 1 and breaks off.
            message = "all frames cannot be had at once in this form: ask for each"
            _send_error(output, error if isinstance(error, NotFound) else FrameCacheError(message))
            return
        output.SetHttpHeader("X-Frame-Cache", "bypass")
        output.SetHttpHeader("Cache-Control", "no-store")
        output.SetHttpHeader("Location", _stock_location(request))
        output.SendHttpStatus(307, b"")


def _stock_location(request: Mapping[str, Any]) -> str:
    """The same resource as the stock plugin spells it, with the query, or tokens in it would be lost."""
    _, _, _, *frame_list = request["groups"]
    query = _query(request["get"])
    return (f"0{frame_list[0]}" if frame_list else "frames/01") + (f"?{query}" if query else "")


def _query(arguments: Mapping[str, str]) -> str:
    if _is_escaped(arguments):
        return "&".join(f"{name}={value}" for name, value in arguments.items())
    return urlencode(arguments, quote_via=quote)


def _is_escaped(arguments: Mapping[str, str]) -> bool:
    """Whether they are as the client sent them: it depends on the build of Orthanc's HTTP server, and nothing tells."""
    return any(_ESCAPE.search(f"{name}={value}") for name, value in arguments.items())


class JsonRoute:
    """A route under /frame-cache/ that answers JSON."""

    def __init__(self, answer: Callable[..., Mapping[str, Any]], log: Log) -> None:
        self._answer, self._log = answer, log

    def __call__(self, output: RestOutput, _uri: str, **request: Any) -> None:
        """Orthanc's callback."""
        if request["method"] != "GET":
            output.SendMethodNotAllowed("GET")
            return
        try:
            content = json.dumps(self._answer(*request["groups"]), indent=2).encode()
        except FrameCacheError as error:
            _send_error(output, error)
        except Exception as error:  # noqa: BLE001 - an exception that escapes would be a 500 without a word
            self._log.error(f"frame cache: {type(error).__name__} in a request: {error}")
            _send_error(output, FrameCacheError("internal error; Orthanc's log has more"))
        else:
            output.AnswerBuffer(content, "application/json")


def _frame_request(request: Mapping[str, Any]) -> FrameRequest:
    study, series, instance, *frame_list = request["groups"]
    return FrameRequest(
        InstancePath(study, series, instance),
        frame_list[0] if frame_list else "",
        request["headers"],
        _accept(request["get"]),
    )


def _accept(arguments: Mapping[str, str]) -> str | None:
    accept = arguments.get("accept")
    return unquote_plus(accept) if accept and _is_escaped(arguments) else accept


def _send_error(output: RestOutput, error: FrameCacheError) -> None:
    if isinstance(error, Overloaded):
        output.SetHttpHeader("Retry-After", "1")
    body: dict[str, Any] = {"HttpStatus": error.status, "Message": str(error)}
    if isinstance(error, NotAcceptable):
        body["Available"] = list(error.available)
    output.SendHttpStatus(error.status, json.dumps(body).encode())
