"""docker/nginx-cluster.conf before nodes that are down, and before nodes that a request ends."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Protocol

import pytest
import requests

from bench.nginx import NginxServer
from bench.tools import unpack
from dev.console import CHECKOUT
from dev.orthanc_server import free_port

# Methods, and how many bytes are sent.
REQUESTS = [("GET", 0), ("DELETE", 0), ("POST", 9), ("POST", 5_000_000), ("PUT", 9), ("PUT", 5_000_000)]
STUDIES = [f"/dicom-web/studies/1.2.{number}" for number in range(8)]  # which are shared among the nodes


class Nodes(ThreadingHTTPServer):
    """One or more nodes at one port. They answer with the length of what is sent, or end without an answer."""

    def __init__(self, *, end: bool) -> None:
        self.end, self.asked = end, list[str]()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    server: Nodes

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(f"{self.command} {self.path}")
        if self.server.end:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        content = str(len(body)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing."""


class NewCluster(Protocol):
    """nginx before nodes at two ports."""

    def __call__(self, a: int, b: int) -> str: ...


def adapted(port: int, a: int, b: int) -> str:
    """The file with this machine's addresses, and without what nginx before 1.27.3 lacks."""
    text = (CHECKOUT / "docker/nginx-cluster.conf").read_text()
    here = {
        r"server orthanc-a:8042 resolve": f"server 127.0.0.1:{a}",
        r"server orthanc-b:8042 resolve": f"server 127.0.0.1:{b}",
        r"(?m)^resolver .*$": "",
        r"listen 80;": f"listen 127.0.0.1:{port}; location = /system {{ return 204; }}",  # whether nginx is up
    }
    for pattern, replacement in here.items():
        text, count = re.subn(pattern, replacement, text)
        assert count, pattern
    return text


@pytest.fixture
def new_cluster(tmp_path: Path) -> Iterator[NewCluster]:
    with ExitStack() as started:

        def new(a: int, b: int) -> str:
            port, user = free_port(), getpass.getuser() if os.getuid() == 0 else ""
            servers = adapted(port, a, b)
            nginx = NginxServer(unpack().nginx, tmp_path, tmp_path, port, workers=1, user=user, servers=servers)
            return started.enter_context(nginx).url

        yield new


@contextmanager
def nodes(*, end: bool = False) -> Iterator[Nodes]:
    with Nodes(end=end) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(("method", "size"), REQUESTS)
def test_while_a_node_is_down_the_other_one_answers(new_cluster: NewCluster, method: str, size: int) -> None:
    body = bytes(size)
    with nodes() as node:
        url = new_cluster(free_port(), node.server_port)
        answers = [requests.request(method, url + study, data=body, timeout=30) for study in STUDIES]
        assert [(answer.status_code, answer.text) for answer in answers] == [(200, str(len(body)))] * len(STUDIES)
        assert node.asked == [f"{method} {study}" for study in STUDIES]


@pytest.mark.parametrize(("method", "size"), REQUESTS)
def test_a_request_that_ends_a_node_is_not_sent_to_the_other_one(
    new_cluster: NewCluster, method: str, size: int
) -> None:
    body = bytes(size)
    with nodes(end=True) as first, nodes(end=True) as second:
        url = new_cluster(first.server_port, second.server_port)
        answer = requests.request(method, url + STUDIES[0], data=body, timeout=30)
        assert answer.status_code == 502
        assert first.asked + second.asked == [f"{method} {STUDIES[0]}"]


def test_an_address_is_passed_on_as_it_was_sent(new_cluster: NewCluster) -> None:
    with nodes() as node:
        url = new_cluster(node.server_port, node.server_port)
        for path in ("/dicom-web/studies?PatientName=A%5EB%2A", "/a%20b/%E4?c=%2F", "/nodes/a/tools/now"):
            assert requests.get(url + path, timeout=30).ok
        assert node.asked[:2] == ["GET /dicom-web/studies?PatientName=A%5EB%2A", "GET /a%20b/%E4?c=%2F"]
        assert node.asked[2] == "GET /tools/now"
