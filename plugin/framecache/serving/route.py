"""Between Orthanc's callbacks and the retrieve transactions."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from framecache.dicom.identity import InstancePath
from framecache.errors import FrameCacheError, HandOver, NotAcceptable, Overloaded, Stopping, reason
from framecache.ports import RestOutput
from framecache.serving.answer import Answer
from framecache.serving.detours import redirect
from framecache.serving.sending import LARGE, SendLimiter, send_stream
from framecache.serving.transactions import HttpRequest, Transaction, WholeStudy
from framecache.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_SENTINEL_UID = "0.0"
# Asked for by the start-up test; no instance has these UIDs.
SENTINEL = InstancePath(_SENTINEL_UID, _SENTINEL_UID, _SENTINEL_UID)
SENTINEL_ANSWER = b"frame-cache"
# To nginx alone, which does not pass it on: keep the answer, and ask for each request whether it is still true.
_LONG_EXPIRED = ("X-Accel-Expires", "@1")
_OK = 200


class RetrieveRoute:
    """One of our transactions, answered.

    A viewer never sees an error because of the cache: the stock plugin is asked instead.
    """

    def __init__(
        self,
        transaction: Transaction,
        metrics: Metrics,
        is_serving: Callable[[], bool],
        turns: SendLimiter,
        is_stopping: Callable[[], bool] = lambda: False,
        *,
        is_kept_by_proxy: bool = False,
    ) -> None:
        """What is asked for while Orthanc `is_stopping` is asked for again later.

        `is_kept_by_proxy` says whether an nginx in front may keep answers that it can have confirmed.
        """
        self._is_kept_by_proxy, self._turns = is_kept_by_proxy, turns
        self._transaction, self._metrics = transaction, metrics
        self._is_serving, self._is_stopping = is_serving, is_stopping
        # STOW-RS posts to a study (PS3.18 section 10.5.1): Orthanc's core gives that to the stock plugin.
        self._allowed = "GET,POST" if transaction.pattern == WholeStudy.pattern else "GET"

    def __call__(self, output: RestOutput, _uri: str, **request: Any) -> None:
        """Orthanc's callback."""
        groups = request["groups"]
        if request["method"] != "GET":
            output.SendMethodNotAllowed(self._allowed)
        elif groups[0] == _SENTINEL_UID and tuple(groups[1:3]) == (_SENTINEL_UID,) * 2:
            output.AnswerBuffer(SENTINEL_ANSWER, "text/plain")
        elif self._is_stopping():
            send_error(output, Stopping())
        elif not self._is_serving():
            why = HandOver("the frame cache does not serve: /frame-cache/status says why", "not_serving")
            self._hand_over(output, _http_request(request), why)
        else:
            self._answer(output, _http_request(request))

    def _answer(self, output: RestOutput, request: HttpRequest) -> None:
        try:
            answer = self._transaction.answer(request)
            try:
                self._send(output, answer)
            finally:
                if answer.close is not None:
                    answer.close()
        except HandOver as error:
            logger.info("handing a request over to the stock DICOMweb plugin: %s", error)
            self._hand_over(output, request, error)
        except FrameCacheError as error:
            if isinstance(error, Overloaded):
                self._metrics.count("overloaded")
            send_error(output, error)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with us, the stock plugin can answer
            self._metrics.count("errors")
            logger.error("a request failed: %s", reason(error))
            self._answer_in_our_place(output, request)

    def _send(self, output: RestOutput, answer: Answer) -> None:
        for name, value in answer.headers.items():
            output.SetHttpHeader(name, value)
        # Not with chunks: long answers would push many frames out of the proxy's cache.
        if self._is_kept_by_proxy and "ETag" in answer.headers and isinstance(answer.body, memoryview):
            output.SetHttpHeader(*_LONG_EXPIRED)
        try:
            if answer.status != _OK:
                output.SendHttpStatus(answer.status, b"")
            elif isinstance(answer.body, memoryview):
                self._send_buffer(output, answer.body, answer.content_type)
            else:
                send_stream(output, answer.content_type, answer.body, answer.length)
        except Exception as error:  # noqa: BLE001 - the answer has begun: it can only break off
            logger.info("an answer broke off: %s", error)

    def _send_buffer(self, output: RestOutput, body: memoryview, content_type: str) -> None:
        if len(body) < LARGE:
            output.AnswerBuffer(body, content_type)
            return
        with self._turns.turn():
            output.AnswerBuffer(body, content_type)

    def _answer_in_our_place(self, output: RestOutput, request: HttpRequest) -> None:
        """We have a fault: the stock plugin is asked for what it sends as it is stored.

        Its decoders can end the server on an HTTP thread's small stack (docs/how-it-works.md).
        """
        fault = HandOver("internal error; Orthanc's log has more", "fault")
        if self._transaction.is_sent_as_stored(request):
            self._hand_over(output, request, fault)
        else:
            send_error(output, FrameCacheError(str(fault)))

    def _hand_over(self, output: RestOutput, request: HttpRequest, why: HandOver) -> None:
        """To the stock plugin's spelling of the same request, where it has one."""
        try:
            location = self._transaction.stock_location(request)
        except FrameCacheError as unknown:
            send_error(output, unknown)
            return
        if location is None:
            send_error(output, FrameCacheError(str(why)))
            return
        self._metrics.handed_over(why.cause)
        redirect(output, location, request.arguments)


def _http_request(request: Mapping[str, Any]) -> HttpRequest:
    return HttpRequest(request["groups"], request["get"], request["headers"])


def send_error(output: RestOutput, error: FrameCacheError) -> None:
    """Tell in JSON what is wrong, with the status of the error."""
    if error.retry_after is not None:
        output.SetHttpHeader("Retry-After", str(error.retry_after))
    body: dict[str, Any] = {"HttpStatus": error.status, "Message": str(error)}
    if isinstance(error, NotAcceptable):
        body["Available"] = list(error.available)
    _send_status(output, error.status, json.dumps(body).encode())


def _send_status(output: RestOutput, status: int, body: bytes) -> None:
    # It fails where the client has left, and then there is nobody to tell.
    with contextlib.suppress(Exception):
        output.SendHttpStatus(status, body)
