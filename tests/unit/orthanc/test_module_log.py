"""What is told to Orthanc's log gets there, whatever it holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from framecache.orthanc.module_log import ModuleLog

from tests.unit.fakes import FakeModule


@pytest.mark.parametrize("level", ["info", "warning", "error"])
@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("frames of Zürich kept", "frames of Zürich kept"),
        ("MONO\0CHROME is not shown", "MONO\ufffdCHROME is not shown"),
        ("not \udc80 UTF-8", "not \ufffd UTF-8"),
        ("one\nW1121 a line of its own\r", "one\ufffdW1121 a line of its own\ufffd"),
    ],
    ids=["plain", "NUL", "surrogate", "line break"],
)
def test_a_text_of_a_file_neither_ends_the_thread_that_tells_it_nor_begins_a_line(
    tmp_path: Path, level: str, message: str, line: str
) -> None:
    module = FakeModule({}, tmp_path)

    getattr(ModuleLog(module), level)(message)

    assert module.log.lines == [(level, line)]
