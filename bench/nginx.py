"""nginx that sends files with `sendfile`: what a file server can do on this machine."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from dev.console import SetupError
from dev.orthanc_server import answers, refuse_taken_port

START_SECONDS = 10.0

CONFIGURATION = """
daemon off;
master_process on;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
{user}
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 60;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/temporary;
    proxy_temp_path {folder}/temporary;
    fastcgi_temp_path {folder}/temporary;
    uwsgi_temp_path {folder}/temporary;
    scgi_temp_path {folder}/temporary;
    default_type "multipart/related";
    {servers}
}}
"""
FILE_SERVER = """
    server {{
        listen 127.0.0.1:{port};
        root {root};
    }}
"""


class NginxServer:
    """Serves the files below `root` on loopback; use as a context manager. Raises SetupError when it cannot.

    `command` makes of arguments how nginx is started with them. `servers` is what serves instead, as nginx's
    configuration has it; it listens at `port`.
    """

    def __init__(
        self,
        command: Callable[..., list[str]],
        folder: Path,
        root: Path,
        port: int,
        *,
        workers: int,
        user: str = "",
        servers: str = "",
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._command, self._folder, self._port = command, folder, port
        self._configuration = CONFIGURATION.format(
            folder=folder,
            workers=workers,
            user=f"user {user};" if user else "",
            servers=servers or FILE_SERVER.format(port=port, root=root),
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> NginxServer:
        refuse_taken_port(self._port)
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = self._folder / "nginx.conf"
        configuration.write_text(self._configuration)
        log = str(self._folder / "nginx.log")
        command = self._command("-p", str(self._folder), "-c", str(configuration), "-e", log)
        # Ends with the benchmark, however that one ends; its workers end with it.
        self._process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command], start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while not answers(self._port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise SetupError(f"nginx did not start: see {log}")
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """End nginx and its workers."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)
            self._process = None

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
