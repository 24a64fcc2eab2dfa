"""Files of rows for other programs: JSON lines (https://jsonlines.org), and Parquet by pyarrow, which is an extra."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from framecache.client.index.entries import COLUMNS, LISTS, NUMBERS, Row
from framecache.errors import BadRequest

# Of one group of rows, all of which is in memory at once.
_MOST_ROWS, _MOST_FRAMES = 500, 100_000
_ROWS_AT_ONCE = 50  # that are read: a slide has tens of thousands of frames


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write the file `path`, in the format of its suffix; how many rows there were.

    The file is there as a whole or not at all, with mode 0600: names of patients are in it. Raises BadRequest for
    another suffix, ImportError without pyarrow, OSError.
    """
    write: Callable[[Path, Iterable[Row]], int] = _format_of(path, {".jsonl": _write_json, ".parquet": _write_parquet})
    with replaced(path) as written:
        return write(written, rows)


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file, in the format of its suffix. Raises BadRequest for what is no such file, as write_rows."""
    read: Callable[[Path], Iterator[Row]] = _format_of(path, {".jsonl": _read_json, ".parquet": _read_parquet})
    return read(path)


def _format_of(path: Path, formats: dict[str, Any]) -> Any:
    if path.suffix not in formats:
        raise BadRequest(f"an index is exported as {' or '.join(formats)}")
    return formats[path.suffix]


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A file to write, which becomes `path` when it is complete; with mode 0600."""
    descriptor, name = tempfile.mkstemp(prefix=".framecache-", dir=path.parent)
    os.close(descriptor)
    try:
        yield Path(name)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _write_json(path: Path, rows: Iterable[Row]) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def _read_json(path: Path) -> Iterator[Row]:
    with path.open("rb") as stream:
        for line in stream:
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise BadRequest("a line of the index is no JSON") from error


def _write_parquet(path: Path, rows: Iterable[Row]) -> int:
    import pyarrow as pa  # noqa: PLC0415 - of an extra
    from pyarrow import parquet  # noqa: PLC0415

    schema, count = pa.schema([(name, _type(pa, name)) for name in COLUMNS]), 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(rows):
            writer.write_table(pa.Table.from_pylist(group, schema))
            count += len(group)
    return count


def _type(pa: Any, name: str) -> Any:
    if name in LISTS:
        return pa.list_(pa.list_(pa.int64()))
    return pa.int64() if name in NUMBERS else pa.string()


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    frames = 0
    for row in rows:
        group.append(row)
        frames += len(row["frame_offsets"] or ())
        if len(group) == _MOST_ROWS or frames >= _MOST_FRAMES:
            yield group
            group, frames = [], 0
    if group:
        yield group


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa  # noqa: PLC0415 - of an extra
    from pyarrow import parquet  # noqa: PLC0415

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise BadRequest("the index is no whole Parquet file") from error
