"""Lets containers reach a server that listens on this machine's loopback."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer

CHUNK = 1 << 16


def bridge_address() -> str:
    """This machine's address in the network of Docker's default bridge, which containers of all networks reach."""
    command = ["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class Relay(ThreadingTCPServer):
    daemon_threads = True
    target: int


class Connection(BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Relay)
        with socket.create_connection(("127.0.0.1", self.server.target)) as server:
            back = threading.Thread(target=pass_on, args=(server, self.request), daemon=True)
            back.start()
            pass_on(self.request, server)
            back.join()


def pass_on(source: socket.socket, target: socket.socket) -> None:
    """All bytes, and the end."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def relay_to(port: int) -> Iterator[str]:
    """The address at which containers reach 127.0.0.1:`port`."""
    address = bridge_address()
    with Relay((address, 0), Connection) as server:
        server.target = port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{address}:{server.server_address[1]}"
        finally:
            server.shutdown()
