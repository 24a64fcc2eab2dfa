"""Sends the journal to the process that makes spans from it; restarts that process, and logs its messages."""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
from collections.abc import Callable, Mapping
from typing import IO
from urllib.parse import quote

from framecache.ports import Clock
from framecache.processes import environment
from framecache.telemetry.tracing.records import Journal, pack
from framecache.threads import start_thread
from framecache.worker import Worker

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = (
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
)  # the first set one counts
_HTTP = "http/protobuf"


def wants_traces(environment: Mapping[str, str]) -> bool:
    """Whether an endpoint for traces is set, and no variable disables them."""
    exporters = (_set(environment, "OTEL_TRACES_EXPORTER") or "otlp").replace(" ", "").split(",")
    is_disabled = _set(environment, "OTEL_SDK_DISABLED").lower() == "true"
    return any(_set(environment, name) for name in _ENDPOINTS) and not is_disabled and "otlp" in exporters


def protocol_error(environment: Mapping[str, str]) -> str | None:
    """The error if the environment sets another protocol than http/protobuf, the only supported one."""
    for name in _PROTOCOLS:
        if protocol := _set(environment, name):
            return None if protocol == _HTTP else f"{name} is {protocol}, and only {_HTTP} is spoken (port 4318 mostly)"
    return None


def _set(environment: Mapping[str, str], name: str) -> str:
    """The value of a variable; an empty one counts as not set."""
    return environment.get(name, "").strip()


logger = logging.getLogger(__name__)

_SECONDS = 0.5
_RESTART_SECONDS = 60.0
_QUIET_SECONDS = 600.0
_PATIENCE = 1.0  # seconds to send the last spans when Orthanc stops
_LONGEST_LINE = 500  # characters


class Exporter:
    """One thread, one process, and at most one line in Orthanc's log in ten minutes."""

    def __init__(
        self,
        journal: Journal,
        python: str,
        clock: Clock,
        on_ready: Callable[[str | None], None],
        *,
        node: str = "",
        seconds: float = _SECONDS,
        restart_seconds: float = _RESTART_SECONDS,
    ) -> None:
        """`on_ready` receives the reason why no traces can be sent, or None if they can. `node` names this Orthanc.

        Records are sent every `seconds`; a process that ended is restarted after `restart_seconds`.
        """
        self._node, self._seconds, self._restart_seconds = node, seconds, restart_seconds
        self._journal, self._python, self._clock = journal, python, clock
        self._on_ready = on_ready
        self._process: subprocess.Popen[bytes] | None = None
        self._worker = Worker("tracing", self._turn, task="tracing", retry_seconds=restart_seconds)
        self.start, self.stop = self._worker.start, self._worker.stop
        self._quiet_until = clock.monotonic()

    def join(self) -> None:
        """Wait briefly for the process to end, then kill it."""
        self._worker.join(_PATIENCE)
        if self._process is not None:
            self._process.kill()

    def _turn(self) -> float | None:
        error = self._serve()
        if error is None:
            return self._restart_seconds
        self._journal.close()
        self._on_ready(error)
        return None

    def _serve(self) -> str | None:
        """Feed one process until it or Orthanc ends; return the reason if it cannot send spans."""
        try:
            with self._start() as process:
                error = self._greeting(process)
                if error is None:
                    start_thread("frame-cache-tracing-log", lambda: self._listen(process))
                    self._feed(process)
        except OSError as failure:
            return f"{self._python} cannot be started: {failure.strerror}"
        return None if self._worker.is_stopping else error

    def _start(self) -> subprocess.Popen[bytes]:
        # -P: import nothing from Orthanc's working directory. A name may have letters that the locale cannot encode.
        command = [self._python, "-P", "-m", "framecache.telemetry.tracing.process", quote(self._node)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment())  # noqa: S603
        return self._process

    def _greeting(self, process: subprocess.Popen[bytes]) -> str | None:
        """Wait for the process's greeting; return the reason if it cannot send spans."""
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            with contextlib.suppress(ValueError, TypeError, KeyError):
                error: str | None = json.loads(line)["error"]
                return error
            self._heard(line)
        return "the tracing process ended at once"

    def _feed(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        self._on_ready(None)
        try:
            while not self._worker.pause(self._seconds):
                self._hand_over(process.stdin)
            self._hand_over(process.stdin)
            process.stdin.close()
            process.wait(_PATIENCE)
        except OSError:
            self._complain("the tracing process ended; another one is started in a minute")
        except subprocess.TimeoutExpired:
            logger.info("tracing: the last spans were not sent in time")
        finally:
            process.kill()
            with contextlib.suppress(OSError):  # records that the process no longer read
                process.stdin.close()

    def _hand_over(self, pipe: IO[bytes]) -> None:
        if dropped := self._journal.take_dropped():
            self._complain(f"{dropped} records were dropped: there are more than can be sent")
        for record in self._journal.take():
            pipe.write(pack(record))
        pipe.flush()

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(ValueError):  # closed after the process ended
            for line in process.stdout:
                self._heard(line)

    def _heard(self, line: bytes) -> None:
        self._complain(line.decode(errors="replace").strip()[:_LONGEST_LINE])

    def _complain(self, message: str) -> None:
        """Log at most once in ten minutes: an unreachable collector would be reported with each batch."""
        now = self._clock.monotonic()
        if now >= self._quiet_until and not self._worker.is_stopping:
            self._quiet_until = now + _QUIET_SECONDS
            logger.warning("tracing: %s (such messages are logged once in ten minutes)", message)
