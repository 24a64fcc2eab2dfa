"""What is written in a format is read again, by others too; what is no such file is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from framecache.client.index.entries import COLUMNS, LISTS, NUMBERS
from framecache.client.index.exchange import read_rows, write_rows
from framecache.errors import BadRequest
from pyarrow import parquet

FORMATS = [".jsonl", ".parquet"]
LARGE = 1 << 40  # what 32 bits do not hold


def row(number: int, **values: Any) -> dict[str, Any]:
    return {**dict.fromkeys(COLUMNS), "path": f"{number}", "size": LARGE, "PatientName": "Müller^Eva", **values}


ROWS = [row(1), row(2, frame_offsets=[[1, 9], [LARGE]], frame_lengths=[[4, 5], [6]]), row(3, PatientName="")]


@pytest.mark.parametrize("suffix", FORMATS)
def test_rows_are_read_as_they_were_written(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"index{suffix}"
    many = [*ROWS, *(row(number) for number in range(4, 1200))]
    assert write_rows(path, iter(many)) == len(many)
    assert list(read_rows(path)) == many
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_export_that_fails_leaves_the_file_as_it_was(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"index{suffix}"
    path.write_bytes(b"before")

    def failing() -> Any:
        yield row(1)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_rows(path, failing())
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"before"]


def test_a_parquet_file_has_the_documented_columns(tmp_path: Path) -> None:
    path = tmp_path / "index.parquet"
    write_rows(path, iter(ROWS))
    types = {field.name: str(field.type) for field in parquet.read_schema(path)}
    assert tuple(types) == COLUMNS
    assert {types[name] for name in NUMBERS} == {"int64"}
    assert {types[name] for name in LISTS} == {"list<element: list<element: int64>>"}
    assert {kind for name, kind in types.items() if name not in (*NUMBERS, *LISTS)} == {"string"}
    assert parquet.read_table(path, columns=["size"])["size"].to_pylist() == [LARGE] * 3


def test_a_line_is_a_json_object(tmp_path: Path) -> None:
    path = tmp_path / "index.jsonl"
    write_rows(path, iter(ROWS))
    assert [json.loads(line) for line in path.read_text().splitlines()] == ROWS


@pytest.mark.parametrize("name", ["index", "index.csv", "index.parquet.gz"])
def test_another_format_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"\.jsonl or \.parquet"):
        write_rows(tmp_path / name, iter(()))
    with pytest.raises(BadRequest):
        read_rows(tmp_path / name)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("content", [b"no rows", b"[" * 100_000, b"PAR1" * 9, b"\xff"])
def test_what_is_no_such_file_is_refused(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"index{suffix}"
    path.write_bytes(content)
    with pytest.raises(BadRequest):
        list(read_rows(path))
