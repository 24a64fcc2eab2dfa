"""Clients on a slow line: `python -m bench.slow_readers URL PATH CLIENTS BYTES_PER_SECOND`, until it is ended."""

from __future__ import annotations

import asyncio
import socket
import sys
from urllib.parse import urlsplit

from bench.load import ACCEPT

RECEIVE_BUFFER = 64 << 10
PAUSE_SECONDS = 0.05


async def read_slowly(host: str, port: int, path: str, bytes_per_second: int) -> None:
    """Ask for `path` again and again and read no faster than that."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: {ACCEPT}\r\nConnection: close\r\n\r\n".encode()
    chunk = int(bytes_per_second * PAUSE_SECONDS)
    while True:
        connection = socket.socket()
        # A small window, or the kernel would take most of the frame at once.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        connection.setblocking(False)
        with connection:
            loop = asyncio.get_running_loop()
            await loop.sock_connect(connection, (host, port))
            await loop.sock_sendall(connection, request)
            while await loop.sock_recv(connection, chunk):
                await asyncio.sleep(PAUSE_SECONDS)


async def main() -> None:
    url, path, clients, bytes_per_second = sys.argv[1:]
    place = urlsplit(url)
    readers = [
        asyncio.create_task(read_slowly(place.hostname or "", place.port or 80, path, int(bytes_per_second)))
        for _ in range(int(clients))
    ]
    await asyncio.sleep(1)
    print("reading", flush=True)
    await asyncio.gather(*readers)


if __name__ == "__main__":
    asyncio.run(main())
