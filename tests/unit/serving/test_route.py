"""Orthanc's callbacks: every fault of ours becomes a hand-over, and a client that left is no fault."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from framecache.errors import (
    BadRequest,
    BrokenPixelData,
    FrameCacheError,
    HandOver,
    InstanceGone,
    NotAcceptable,
    NotFound,
    Overloaded,
    SourceError,
    Stopping,
    UnreadableHeader,
)
from framecache.orthanc.api import ModuleApi, for_good
from framecache.serving.answer import Answer
from framecache.serving.route import SENTINEL_ANSWER, RetrieveRoute
from framecache.serving.sending import LARGE, SendLimiter
from framecache.serving.transactions import (
    AllFrames,
    FrameList,
    FramePicture,
    HttpRequest,
    InstancePicture,
    SeriesPicture,
    Transaction,
    WholeInstance,
    WholeStudy,
)
from framecache.telemetry.metrics import Metrics

from tests.unit.fakes import FakeLog, FakeModule, FakeOutput, OrthancException

GROUPS = ["1.2", "1.3", "1.4", "2,3"]
BODY = memoryview(b"the body")
HEADERS = {"ETag": '"x"', "X-Frame-Cache": "hit"}


class Answering:
    """A transaction that answers, or fails, as it was told to."""

    def __init__(self, answer: Answer | Exception, stock: Transaction | None = None, pattern: str = "") -> None:
        self.pattern = pattern
        self._answer, self._stock = answer, stock or FrameList(None)  # type: ignore[arg-type]
        self.requests: list[HttpRequest] = []

    def answer(self, request: HttpRequest) -> Answer:
        self.requests.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def stock_location(self, request: HttpRequest) -> str | None:
        return self._stock.stock_location(request)

    def is_sent_as_stored(self, request: HttpRequest) -> bool:
        return self._stock.is_sent_as_stored(request)


class Bench:
    def __init__(
        self,
        answer: Answer | Exception,
        *,
        serving: bool = True,
        stopping: bool = False,
        stock: Transaction | None = None,
        is_kept_by_proxy: bool = False,
        pattern: str = "",
    ) -> None:
        self.transaction = Answering(answer, stock, pattern)
        self.metrics, self.output = Metrics(), FakeOutput()
        self.route = RetrieveRoute(
            self.transaction,
            self.metrics,
            lambda: serving,
            SendLimiter(1),
            lambda: stopping,
            is_kept_by_proxy=is_kept_by_proxy,
        )

    def get(
        self, arguments: Mapping[str, str] | None = None, method: str = "GET", groups: list[str] | None = None
    ) -> FakeOutput:
        request = {"method": method, "groups": groups or GROUPS, "get": arguments or {}, "headers": {"host": "pacs"}}
        self.route(self.output, "/dicom-web/…", **request)
        return self.output


def ok(body: Any = BODY, status: int = 200) -> Answer:
    return Answer(status, "multipart/related", HEADERS, body)


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (Answer(200, "image/png", {"ETag": '"x"'}, BODY), True),
        (Answer(304, "", {"ETag": '"x"'}, memoryview(b"")), True),
        (Answer(200, "image/png", {}, BODY), False),
        (Answer(200, "image/png", {"ETag": '"x"'}, iter([BODY])), False),
        (HandOver("to the stock plugin"), False),
        (NotFound("no frame 9"), False),
    ],
    ids=["whole", "not modified", "without a tag", "in chunks", "handed over", "an error"],
)
def test_a_proxy_keeps_what_it_can_have_confirmed_and_only_if_it_may(answer: Answer | Exception, *, kept: bool) -> None:
    assert "X-Accel-Expires" not in Bench(answer).get().headers
    assert Bench(answer, is_kept_by_proxy=True).get().headers.get("X-Accel-Expires") == ("@1" if kept else None)


def test_an_answer_goes_out_with_its_headers() -> None:
    output = Bench(ok()).get()

    assert (output.status, output.body, output.content_type, output.headers) == (
        200,
        b"the body",
        "multipart/related",
        HEADERS,
    )


def test_a_long_answer_goes_out_in_chunks_with_its_length() -> None:
    answer = ok(iter([memoryview(b"one"), memoryview(b"two")]))
    answer.length = 6
    output = Bench(answer).get()

    assert (output.status, output.chunks) == (200, [b"one", b"two"])
    assert output.headers == {**HEADERS, "Content-Length": "6"}


def test_an_answer_that_is_known_has_no_body() -> None:
    output = Bench(ok(memoryview(b""), 304)).get()

    assert (output.status, output.body, output.headers["ETag"]) == (304, b"", '"x"')


@pytest.mark.parametrize(
    ("arguments", "location"),
    [
        ({}, "02,3"),
        ({"accept": "image/jp2"}, "02,3?accept=image/jp2"),
        ({"viewport": "32,32"}, "02,3?viewport=32,32"),
        ({"token": "a b&c=d%"}, "02,3?token=a%20b%26c%3Dd%25"),
        ({"token": "a%20b%26c"}, "02,3?token=a%20b%26c"),
        ({"a": "1", "b": ""}, "02,3?a=1&b="),
    ],
)
def test_a_hand_over_is_a_307_to_the_stock_spelling_with_the_query(arguments: dict[str, str], location: str) -> None:
    bench = Bench(HandOver("not ours"))
    output = bench.get(arguments)

    assert (output.status, output.body) == (307, b"")
    assert output.headers == {"X-Frame-Cache": "bypass", "Cache-Control": "no-store", "Location": location}
    assert bench.metrics.causes("bypasses") == {"unreadable": 1}


FAULTS = (RuntimeError("x"), KeyError("x"), MemoryError(), RecursionError(), OSError(5, "Input/output error"))
AS_STORED = "multipart/related; type=application/octet-stream; transfer-syntax=*"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("accept", "status"),
    [(AS_STORED, 307), ("*/*", 500), ("", 500), ("image/jpeg", 500), (f"{AS_STORED}, */*;q=0.1", 500), (";", 500)],
)
def test_in_a_fault_of_ours_the_stock_plugin_is_asked_for_what_it_need_not_decode(
    fault: Exception, accept: str, status: int, log: FakeLog
) -> None:
    """Its decoders can end the server."""
    bench = Bench(fault)

    assert bench.get({"accept": accept}).status == status
    assert bench.metrics.causes("bypasses") == ({"fault": 1} if status == 307 else {})
    assert (bench.metrics["errors"], len(log.of("error"))) == (1, 1)


@pytest.mark.parametrize(
    "stock",
    [
        AllFrames(None),  # type: ignore[arg-type]
        FramePicture(None),  # type: ignore[arg-type]
        InstancePicture(None),  # type: ignore[arg-type]
        SeriesPicture(None, None),  # type: ignore[arg-type]
        WholeInstance(None),  # type: ignore[arg-type]
    ],
    ids=lambda stock: type(stock).__name__,
)
def test_in_a_fault_of_ours_nothing_else_is_handed_over(stock: Transaction) -> None:
    assert Bench(KeyError("x"), stock=stock).get({"accept": AS_STORED}).status == 500


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadRequest("why"), 400),
        (BrokenPixelData("why"), 500),
        (NotFound("why"), 404),
        (NotAcceptable("why", ("image/jp2",)), 406),
        (Overloaded("why"), 503),
        (InstanceGone("why"), 503),
        (SourceError("why"), 500),
        (UnreadableHeader("why"), 500),
        (FrameCacheError("why"), 500),
    ],
)
def test_what_is_the_client_s_to_mend_is_told_in_json(error: FrameCacheError, status: int) -> None:
    bench = Bench(error)
    output = bench.get()
    content = json.loads(output.body)

    assert (output.status, content["HttpStatus"], content["Message"]) == (status, status, "why")
    assert bench.metrics["overloaded"] == isinstance(error, Overloaded)
    assert output.headers.get("Retry-After") == ("1" if status == 503 else None)
    assert content.get("Available") == (["image/jp2"] if status == 406 else None)


@pytest.mark.parametrize(
    "answer",
    [ok(), ok(iter([BODY])), ok(memoryview(b""), 304), HandOver("x"), BadRequest("x"), KeyError("x")],
    ids=["body", "chunks", "304", "307", "400", "fault"],
)
def test_a_client_that_left_is_no_fault(answer: Answer | Exception, log: FakeLog) -> None:
    bench = Bench(answer)
    bench.output.gone = True
    bench.get()

    assert not [line for line in log.of("error") if "OrthancException" in line or "network" in line]


def test_an_answer_is_closed_though_the_client_left() -> None:
    closed: list[int] = []
    answer = ok()
    answer.close = lambda: closed.append(1)
    bench = Bench(answer)
    bench.output.gone = True
    bench.get()

    assert closed == [1]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_are_not_allowed(method: str) -> None:
    bench = Bench(ok())
    output = bench.get(method=method)

    assert (output.status, output.allowed, bench.transaction.requests) == (405, "GET", [])


def test_a_study_may_be_posted_to_the_stock_plugin() -> None:
    output = Bench(ok(), pattern=WholeStudy.pattern).get(method="PUT")

    assert (output.status, output.allowed) == (405, "GET,POST")


def test_while_we_do_not_serve_everything_is_handed_over() -> None:
    bench = Bench(ok(), serving=False)

    assert bench.get().status == 307
    assert bench.transaction.requests == []
    assert bench.metrics.causes("bypasses") == {"not_serving": 1}


@pytest.mark.parametrize("stock", [FrameList, AllFrames, WholeInstance])
@pytest.mark.parametrize(("answer", "stopping"), [(ok(), True), (Stopping(), False)])
def test_while_orthanc_stops_everybody_is_told_to_come_again(
    stock: Callable[[Any], Transaction], answer: Answer | Exception, *, stopping: bool
) -> None:
    """Whether it was known when the request came, or the plugin stopped under it."""
    output = Bench(answer, stopping=stopping, stock=stock(None)).get()

    assert (output.status, output.headers["Retry-After"]) == (503, "10")
    assert json.loads(output.body) == {"HttpStatus": 503, "Message": "Orthanc is stopping"}


def test_all_frames_where_nothing_is_served_say_where_the_reason_is() -> None:
    output = Bench(ok(), serving=False, stock=AllFrames(None)).get()  # type: ignore[arg-type]

    assert output.status == 500
    assert "/frame-cache/status" in json.loads(output.body)["Message"]


def test_the_sentinel_is_answered_without_asking_anything() -> None:
    bench = Bench(ok(), serving=False)

    assert bench.get(groups=["0.0", "0.0", "0.0", "1"]).body == SENTINEL_ANSWER
    assert bench.transaction.requests == []


def test_all_frames_are_never_handed_to_the_stock_plugin_s_broken_answer() -> None:
    """It lacks frame 1 and breaks off."""
    bench = Bench(HandOver("x"), stock=AllFrames(None))  # type: ignore[arg-type]

    assert bench.get(groups=GROUPS[:3]).status == 500
    assert bench.metrics["bypasses"] == 0


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (OrthancException(17, "Unknown resource"), NotFound),
        (OrthancException(7, "Inexistent item"), NotFound),
        (OrthancException(18, "Incompatible version of the database"), SourceError),
        (OrthancException(11, "Error in the database"), SourceError),
        (OrthancException("only a text"), SourceError),
        (OrthancException(), SourceError),
        (ValueError("other"), SourceError),
    ],
)
def test_what_orthanc_raises_becomes_an_error_of_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, raised: Exception, error: type[FrameCacheError]
) -> None:
    module = FakeModule({}, tmp_path)

    def refuse(*_: object) -> bytes:
        raise raised

    monkeypatch.setattr(module, "RestApiGet", refuse)
    monkeypatch.setattr(module, "RestApiPost", refuse)
    api = ModuleApi(module)

    with pytest.raises(error):
        api.get("/instances/x")
    with pytest.raises(error):
        api.post("/tools/find", b"")


def test_a_callback_that_orthanc_drops_is_not_freed_at_once() -> None:
    kept = for_good(lambda: None)
    reference = weakref.ref(kept)
    gc.disable()
    try:
        del kept
        assert reference() is not None
    finally:
        gc.enable()


def test_a_large_answer_is_sent_whole() -> None:
    body = memoryview(bytes(LARGE))
    assert Bench(ok(body)).get().body == body
