"""What the package logs gets into Orthanc's log, whatever it holds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from framecache.orthanc.log_handler import OrthancLogHandler, log_to_orthanc

from tests.unit.fakes import FakeModule


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("test_log_handler")
    yield logger
    logger.handlers.clear()


@pytest.mark.parametrize("level", ["info", "warning", "error"])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("frames of Zürich cached", "frames of Zürich cached"),
        ("MONO\0CHROME is not shown", "MONO\ufffdCHROME is not shown"),
        ("not \udc80 UTF-8", "not \ufffd UTF-8"),
        ("one\nW1121 a line of its own\r", "one\ufffdW1121 a line of its own\ufffd"),
    ],
    ids=["plain", "NUL", "surrogate", "line break"],
)
def test_a_text_of_a_file_neither_ends_the_thread_that_logs_it_nor_begins_a_line(
    tmp_path: Path, level: str, text: str, line: str
) -> None:
    module = FakeModule({}, tmp_path)
    record = logging.makeLogRecord({"levelno": getattr(logging, level.upper()), "msg": "%s", "args": (text,)})

    OrthancLogHandler(module).handle(record)

    assert module.log.lines == [(level, f"frame cache: {line}")]


def test_what_is_for_developers_alone_is_not_logged(tmp_path: Path, logger: logging.Logger) -> None:
    module = FakeModule({}, tmp_path)
    log_to_orthanc(logger, module)

    logger.getChild("module").debug("noise")

    assert module.log.lines == []


def test_each_message_is_written_once_and_to_the_last_installation(tmp_path: Path, logger: logging.Logger) -> None:
    first, second = FakeModule({}, tmp_path), FakeModule({}, tmp_path)
    log_to_orthanc(logger, first)
    log_to_orthanc(logger, second)

    logger.getChild("module").warning("once")

    assert (first.log.lines, second.log.lines) == ([], [("warning", "frame cache: once")])
    assert not logger.propagate  # nor is it written anywhere else
