"""The helper process: `python3 -m framecache.codecs.process`, which Orthanc's plugin starts and feeds."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from framecache.codecs.process.confinement import confine
from framecache.codecs.process.errors import Undecodable, Unwritable
from framecache.codecs.process.protocol import Head, pack, read_message

if TYPE_CHECKING:
    from framecache.codecs.process.service import Service

# What decoders need beside the frame itself, as a multiple of it: OpenJPEG has four bytes for each sample, twice.
_ROOM = 8


def main() -> None:
    """Say hello, then answer messages until standard input ends."""
    parser = argparse.ArgumentParser(prog="python3 -m framecache.codecs.process", description=__doc__)
    parser.add_argument("--memory-limit", type=int, required=True, metavar="BYTES")
    parser.add_argument("--niceness", type=int, default=0)
    options = parser.parse_args()
    confine(options.memory_limit, options.niceness)
    requests, answers = _pipes()
    service = _introduce(answers, options.memory_limit // _ROOM)
    while (message := read_message(requests, options.memory_limit)) is not None:
        _send(answers, *_answer(service, *message))


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output, the latter kept from whatever a library may print."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return sys.stdin.buffer, answers


def _introduce(answers: BinaryIO, largest_frame: int) -> Service:
    """Tell which Python this is, and whether all packages are there."""
    hello: dict[str, object] = {"python": sys.version_info[:2]}
    try:
        service: Service = importlib.import_module("framecache.codecs.process.service").Service(largest_frame)
    except ImportError as error:
        _send(answers, {**hello, "error": f"{error}"}, b"")
        sys.exit(1)
    _send(answers, hello, b"")
    return service


def _answer(service: Service, head: Head, header: bytes, frame: bytes) -> tuple[Head, bytes]:
    try:
        return {}, service.answer(head, header, frame)
    except Undecodable as error:
        return {"error": str(error), "unwritable": isinstance(error, Unwritable)}, b""
    except MemoryError:
        return {"error": "the frame needs more memory than a helper process may have"}, b""
    except Exception as error:  # noqa: BLE001 - a fault of ours; what it says may hold values of the data set
        place = traceback.extract_tb(error.__traceback__)[-1]
        return {"error": f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"}, b""


def _send(answers: BinaryIO, head: Head, frame: bytes) -> None:
    for part in (pack(head, b"", frame), frame):
        view = memoryview(part)
        while view:
            view = view[answers.write(view) :]


if __name__ == "__main__":
    main()
