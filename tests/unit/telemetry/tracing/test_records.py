"""A record is the same behind the pipe."""

from __future__ import annotations

import pytest
from framecache.telemetry.tracing.records import (
    ExtractionRecord,
    FinishedRecord,
    Record,
    RequestRecord,
    StoredRecord,
    pack,
    unpack,
)

RECORDS = [
    RequestRecord("GET", "/dicom-web/…", ["1.2", "3"], "", "a=1", 1.25, None, 2.5, 200, 10, "hit", None),
    StoredRecord("id", 1.0),
    ExtractionRecord("id", ["1.2"], 1.0, 2.0, 3.0, "viewer", "1.2.840", "failed", "line\nbreak", 0, 0),
    FinishedRecord("id"),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_is_one_line_and_the_same_behind_the_pipe(record: Record) -> None:
    line = pack(record)

    assert line.count(b"\n") == 1
    assert unpack(line) == record


@pytest.mark.parametrize("line", [b"", b"[]", b'["Nobody"]', b'["Finished"]', b"1"])
def test_a_line_that_is_none_is_an_error(line: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        unpack(line)
