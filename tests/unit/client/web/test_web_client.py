"""DICOMwebClient before a server that fails for a moment, is slow, or refuses."""

from __future__ import annotations

import os
import pickle
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from dicomweb_client.protocol import DICOMClient
from framecache.client import ClientError, DICOMwebClient, NotFoundError, UnreachableError, UnreadableError
from framecache.client.web.session import ClientSession, retries

UIDS = ("1.2.3", "1.2.3.4", "1.2.3.4.5")


class Server(ThreadingHTTPServer):
    """Answers frames with their numbers, after `seconds`; before, with the `statuses` that are left.

    `headers` and `body` are answered in the place of its own.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.body: bytes | None = None
        self.paths: list[str] = []
        self.hosts: set[str] = set()
        self.connections: list[object] = []
        self.seconds, self.at_once, self.most_at_once = 0.0, 0, 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/dicom-web"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"  # connections are kept

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.paths.append(self.path)
            self.server.hosts.add(self.headers["Host"])
            self.server.connections.append(self.client_address)
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
            status = self.server.statuses.pop(0) if self.server.statuses else 200
        time.sleep(self.server.seconds)
        with self.server.lock:
            self.server.at_once -= 1
        numbers = self.path.rpartition("/frames/")[2].split(",") if "/frames/" in self.path else []
        parts = [f"--b\r\nContent-Type: application/octet-stream\r\n\r\n{number}\r\n" for number in numbers]
        body = "".join([*parts, "--b--\r\n"]).encode() if numbers else b"[]"
        kind = 'multipart/related; type="application/octet-stream"; boundary=b' if numbers else "application/dicom+json"
        body = body if self.server.body is None else self.server.body
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **self.server.headers}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def quick(server: Server, **arguments: Any) -> DICOMwebClient:
    client = DICOMwebClient(server.url, ClientSession(retries(3, 0.01)), **arguments)
    client.set_http_retry_params(retry=False)
    return client


def test_it_is_a_dicom_client_that_closes_and_pickles(server: Server) -> None:
    with DICOMwebClient(server.url) as client:
        assert isinstance(client, DICOMClient)
        copy = pickle.loads(pickle.dumps(client))  # noqa: S301 - its own
        assert copy.retrieve_instance_frames(*UIDS, [1, 2]) == [b"1", b"2"]


@pytest.mark.parametrize("statuses", [[503], [429, 504], [502, 408]])
def test_what_fails_for_a_moment_is_asked_for_again(server: Server, statuses: list[int]) -> None:
    server.statuses = statuses[:]
    assert quick(server).search_for_studies() == []
    assert len(server.paths) == len(statuses) + 1


@pytest.mark.parametrize(
    ("statuses", "kind", "asked"),
    [([404], NotFoundError, 1), ([503] * 9, UnreachableError, 3), ([405], ClientError, 1)],
)
def test_errors_are_those_of_all_clients_with_the_status_of_the_server(
    server: Server, statuses: list[int], kind: type[ClientError], asked: int
) -> None:
    server.statuses = statuses[:]
    with pytest.raises(kind) as refused:
        quick(server).search_for_studies(search_filters={"PatientName": "Secret"})
    assert refused.value.response.status_code == statuses[0]
    assert "Secret" not in str(refused.value)
    assert len(server.paths) == asked


def test_no_server_is_unreachable(server: Server) -> None:
    client = quick(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(UnreachableError):
        client.search_for_studies()


def test_a_long_list_of_frames_is_asked_for_by_several_requests_at_once_and_comes_in_order(server: Server) -> None:
    server.seconds = 0.05
    numbers = [*range(100, 0, -1), 7, 7]
    client = quick(server, concurrency=3)
    assert client.retrieve_instance_frames(*UIDS, numbers) == [str(number).encode() for number in numbers]
    assert 1 < server.most_at_once <= 3
    assert all(path.count(",") < 16 for path in server.paths)
    assert list(client.iter_instance_frames(*UIDS, [5])) == [b"5"]


PART = b"--b\r\nContent-Type: application/octet-stream\r\n\r\n1\r\n"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (PART + b"--b--\r\n", {}),
        (PART * 3 + b"--b--\r\n", {}),
        (b"1", {"Content-Type": "multipart/related"}),
        (PART * 2 + b"--b--\r\n", {"Content-Type": ""}),
        (b"no gzip", {"Content-Encoding": "gzip"}),
    ],
    ids=["too few", "too many", "no parts", "of no type", "damaged"],
)
def test_an_answer_that_is_not_the_frames_asked_for_is_unreadable(
    server: Server, body: bytes, headers: dict[str, str]
) -> None:
    server.body, server.headers = body, headers
    with pytest.raises(UnreadableError):
        quick(server, concurrency=1).retrieve_instance_frames(*UIDS, [1, 2])


def test_an_error_shows_no_name_that_was_searched_for_however_it_is_printed(server: Server) -> None:
    client, name = quick(server), "Secret^Name"
    server.shutdown()
    server.server_close()
    with pytest.raises(UnreachableError) as raised:
        client.search_for_studies(search_filters={"PatientName": name})
    assert "Secret" not in "".join(traceback.format_exception(raised.value))


def test_a_refusal_has_the_servers_answer_but_not_the_login(server: Server) -> None:
    server.statuses = [409]
    client = DICOMwebClient(server.url.replace("//", "//user:secret@"))
    with pytest.raises(ClientError) as raised:
        client.search_for_studies()
    assert raised.value.response.status_code == 409
    _check_is_secret(raised.value)


@pytest.mark.parametrize(
    "ask", [lambda client: client.retrieve_instance(*UIDS), lambda client: list(client.iter_study(UIDS[0]))]
)
def test_an_answer_that_is_no_dicom_is_unreadable(server: Server, ask: Callable[[DICOMwebClient], object]) -> None:
    server.body, server.headers = PART + b"--b--\r\n", {"Content-Type": "multipart/related; boundary=b"}
    with pytest.raises(UnreadableError):
        ask(quick(server))


def test_an_answer_that_is_cut_off_is_a_failure_of_the_server(server: Server) -> None:
    server.body, server.headers = (
        b"5\r\n[",
        {"Content-Length": "", "Transfer-Encoding": "chunked", "Connection": "close"},
    )
    with pytest.raises(UnreachableError):
        quick(server).search_for_studies()


def test_the_server_is_told_its_port_so_that_its_urls_lead_back(server: Server) -> None:
    quick(server).search_for_studies()
    assert server.hosts == {server.url.split("/")[2]}


def test_waits_before_retries_differ() -> None:
    waits = set()
    for _ in range(20):
        retry = retries(5, 1.0)
        for _ in range(3):
            retry = retry.increment("GET", "/", error=OSError())
        waits.add(retry.get_backoff_time())
    assert len(waits) > 10
    assert all(2.0 <= wait <= 4.0 for wait in waits)


def test_an_error_does_not_show_the_login() -> None:
    client = DICOMwebClient("http://user:secret@127.0.0.1:1/dicom-web", ClientSession(retries(1)))
    client.set_http_retry_params(retry=False)
    with pytest.raises(UnreachableError) as raised:
        client.search_for_studies()
    _check_is_secret(raised.value)


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.search_for_studies(limit="x"),
        lambda client: client.search_for_studies(unknown=1),
        lambda client: client.search_for_studies(search_filters={"PatientName": b"x"}),
        lambda client: client.retrieve_study("1.2"),
        lambda client: list(client.iter_study("1.2")),
        lambda client: client.retrieve_instance_frames(*UIDS, [1, 2], (("image/unknown", "1.2"),)),
    ],
    ids=["limit", "unknown", "filter", "unreadable", "iterated", "not acceptable"],
)
def test_no_error_shows_the_login(server: Server, ask: Callable[[DICOMwebClient], object]) -> None:
    client = DICOMwebClient(server.url.replace("//", "//user:secret@"), ClientSession(retries(1)))
    client.set_http_retry_params(retry=False)
    with pytest.raises(ClientError) as raised:
        ask(client)
    _check_is_secret(raised.value)


def _check_is_secret(error: ClientError) -> None:
    assert error.url.startswith("http://127.0.0.1:") or not error.url
    assert "secret" not in f"{error!s} {error!r} {error.url} {error.response.url}"


@pytest.mark.parametrize("session", [None, requests.Session()])
def test_a_forked_process_reads_no_answers_from_connections_of_the_old_one(
    server: Server, session: requests.Session | None
) -> None:
    client = DICOMwebClient(server.url, session)
    assert client.retrieve_instance_frames(*UIDS, [1]) == client.retrieve_instance_frames(*UIDS, [1])
    child = os.fork()
    if not child:
        is_right = False
        with suppress(BaseException):  # else pytest would go on in the child
            is_right = client.retrieve_instance_frames(*UIDS, [2]) == [b"2"] and bool(pickle.dumps(client))
        os._exit(0 if is_right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert client.retrieve_instance_frames(*UIDS, [1]) == [b"1"]
    client.close()
    first, second, childs, third = server.connections
    assert first == second == third != childs
