"""`framecache worker`: a process that shares the work of several Orthancs."""

from __future__ import annotations

import importlib
import signal
import sys
import threading
from pathlib import Path
from types import MappingProxyType
from typing import Any

from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.session import Session, http_session

# The kinds of shared work, by the options that begin them.
KINDS = MappingProxyType({"export": "export", "export_all": "export-all", "verify": "verify", "gc": "gc"})


def worker(session: Session) -> ExitCode:
    """Work until SIGTERM or Ctrl-C, and then finish what is at work."""
    process, arguments = _process(), session.arguments
    options = process.WorkerOptions(
        orthanc=arguments.orthanc or [arguments.url],
        dsn=_connection_string(session),
        archive=arguments.archive,
        storage=Path(arguments.storage) if arguments.storage else None,
        bucket=arguments.bucket,
        concurrency=arguments.concurrency,
        alive=Path(arguments.alive) if arguments.alive else None,
        begins=[kind for option, kind in KINDS.items() if getattr(arguments, option)],
    )
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        process.work_until(stopping, options, lambda: http_session(arguments, session.environment), _report)
    except importlib.import_module("framecache.errors").FrameCacheError as error:
        raise CommandError(str(error)) from error
    return ExitCode.DONE


def _process() -> Any:
    try:
        return importlib.import_module("framecache.cluster.worker_process")
    except ImportError as error:
        message = f"a worker needs more packages: pip install 'framecache[cluster,archive]' ({error})"
        raise CommandError(message) from error


def _connection_string(session: Session) -> str:
    """From --cluster or the environment. Raises CommandError."""
    dsn = str(session.arguments.cluster or session.environment.get("FRAMECACHE_CLUSTER", ""))
    if not dsn:
        raise CommandError("name the shared database with --cluster or FRAMECACHE_CLUSTER", ExitCode.USAGE)
    if session.arguments.cluster and ("password" in dsn or "@" in dsn):
        message = "a password in --cluster is refused: other users of this machine could read it there"
        raise CommandError(f"{message}; use FRAMECACHE_CLUSTER, PGPASSWORD or a passfile", ExitCode.USAGE)
    return dsn


def _report(line: str) -> None:
    sys.stderr.write(f"framecache worker: {line}\n")
    sys.stderr.flush()
