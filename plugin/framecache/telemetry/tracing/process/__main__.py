"""The process that sends spans: `python3 -m framecache.telemetry.tracing.process`, started and fed by the plugin.

What is written to standard output ends in Orthanc's log: whether spans can be sent, and the SDK's complaints.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import sys
from contextlib import ExitStack
from typing import IO
from urllib.parse import unquote

from framecache.telemetry.tracing.records import unpack

_NICENESS = 10


def main() -> None:
    """Report readiness, then make spans from the records on standard input until it ends."""
    os.nice(_NICENESS)
    for end in (signal.SIGINT, signal.SIGTERM):  # meant for Orthanc, which then closes standard input
        signal.signal(end, signal.SIG_IGN)
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="%(message)s")
    serve(sys.stdin.buffer, unquote("".join(sys.argv[1:])))


def serve(lines: IO[bytes], node: str = "") -> None:
    """Run until standard input ends. `node` names the Orthanc in whose name it sends."""
    with ExitStack() as stack:
        try:
            sending = importlib.import_module("framecache.telemetry.tracing.process.spans")
            spans = stack.enter_context(sending.spans(node=node))
        except Exception as error:  # noqa: BLE001 - a missing extra, or any error of the SDK
            _greet(str(error))
            return
        _greet(None)
        for line in lines:
            spans.add(unpack(line))


def _greet(error: str | None) -> None:
    sys.stdout.write(json.dumps({"error": error}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
