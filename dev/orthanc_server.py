"""One real Orthanc on loopback, started and stopped by `make run`, the tests and the benchmark."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO

from dev.console import CHECKOUT, SetupError
from dev.orthanc_folder import OrthancFolder, orthanc_folder

# The Python plugin first: of two plugins that want a route, the one that was loaded first answers it.
PLUGINS = ("OrthancPython", "OrthancDicomWeb", "OrthancGdcm")

START_SECONDS = 60.0
STOP_SECONDS = 60.0


class OrthancFailed(SetupError):
    """Orthanc did not start or did not stop; here the last lines of its log follow the one line."""


class OrthancServer:
    """Orthanc of `suite` with its storage, configuration and log in `folder`; use as a context manager.

    `configuration` is merged over the least one that starts the plugin (the caller's keys win, whole values).
    `plugins` are loaded in the order given, from Orthanc's own packages and those unpacked in `others`.
    Without `port` a free one is taken, the same over restarts.
    Raises SetupError when the port is taken, OrthancFailed when Orthanc does not come up.
    """

    def __init__(
        self,
        suite: str,
        folder: Path,
        configuration: Mapping[str, object],
        port: int | None = None,
        *,
        plugins: Sequence[str] = PLUGINS,
        others: Sequence[Path] = (),
    ) -> None:
        self.installed = replace(orthanc_folder(suite), others=tuple(others))
        self.folder = folder
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = folder / "orthanc.log"
        self._configuration = {**least_configuration(self.installed, folder, self.port, plugins), **configuration}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_started(self) -> bool:
        """Whether `start` was called, and neither `stop` nor `kill` since; it may have ended by itself."""
        return self._process is not None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Orthanc itself. Raises OrthancFailed if it is not started."""
        if self._process is None:
            raise OrthancFailed("Orthanc is not running")
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    def __enter__(self) -> OrthancServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.stop()

    def start(self) -> None:
        """Start Orthanc and return when it answers."""
        refuse_taken_port(self.port)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "orthanc.json"
        path.write_text(json.dumps(self._configuration, indent=2))
        with self.log_path.open("ab") as log, (self.folder / "lock").open("w") as lock:
            hold(lock, self.folder)
            self._process = subprocess.Popen(
                # Orthanc ends with its starter, however that one dies; its own group keeps the terminal's Ctrl-C off.
                ["setpriv", "--pdeathsig", "TERM", *self.installed.command(str(path))],
                env=self.installed.environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock.fileno()],
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.kill()
            raise

    def stop(self, timeout: float = STOP_SECONDS) -> float:
        """Ask Orthanc to end and return the seconds it took; past `timeout` it is killed and OrthancFailed raised."""
        process, started = self.process, time.monotonic()
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise OrthancFailed(f"Orthanc did not stop within {timeout:g} s\n{self.last_lines()}") from None
        self.kill()
        return time.monotonic() - started

    def kill(self) -> None:
        """End Orthanc and the helper processes it started at once, as a power cut would."""
        process = self.process
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def wait(self) -> None:
        """Serve until the caller is interrupted. Raises OrthancFailed when Orthanc ends by itself."""
        self.process.wait()
        raise OrthancFailed(f"Orthanc ended by itself\n{self.last_lines()}")

    def last_lines(self, number: int = 20) -> str:
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-number:])

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise OrthancFailed(f"Orthanc ended while starting\n{self.last_lines()}")
            if answers(self.port):
                return
            time.sleep(0.05)
        raise OrthancFailed(f"Orthanc did not answer within {START_SECONDS:g} s\n{self.last_lines()}")


def least_configuration(installed: OrthancFolder, folder: Path, port: int, plugins: Sequence[str]) -> dict[str, object]:
    return {
        "StorageDirectory": str(folder / "storage"),
        "HttpPort": port,
        "Locale": "C.UTF-8",
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": False,
        "Plugins": [str(installed.plugin(name)) for name in plugins],
        "PythonScript": str(CHECKOUT / "plugin/main.py"),
    }


def hold(lock: IO[str], folder: Path) -> None:
    """Lock the storage for as long as a process has `lock` open: two Orthancs on one storage would damage it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SetupError(f"another Orthanc is running in {folder}: stop it first") from None


def free_port() -> int:
    """One below those that the system gives to connections and to who asks for any: they do not take it meanwhile."""
    while True:
        port = 10_000 + secrets.randbelow(22_768)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def refuse_taken_port(port: int) -> None:
    """Raise SetupError when something listens on `port` already."""
    with socket.socket() as listener:
        # As Orthanc's own listener: a port in TIME_WAIT after a restart is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", port))
        except OSError as error:
            raise SetupError(f"port {port} cannot be had ({error.strerror}): set HTTP_PORT to a free one") from None


def answers(port: int) -> bool:
    """Whether anything speaks HTTP on `port`, be it to ask for a password."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/system")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
