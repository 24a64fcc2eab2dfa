"""What a command says: its result to the standard output, all else to the standard error."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

_WIDTH = 10_000  # a terminal breaks long lines as it likes, but an ID that a table folds cannot be copied any more
_NUMBER = re.compile(r"\d+([./]\d+)?( \S+)?")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024


class Output:
    """Tables for people, or JSON for programs."""

    def __init__(self, *, is_json: bool, is_quiet: bool = False) -> None:
        self.is_json, self._is_quiet = is_json, is_quiet or is_json
        self._console, self._notices = _console(is_error=False), _console(is_error=True)

    def tell(self, content: object, *shown: RenderableType) -> None:
        """The result: `content` as JSON, or what is `shown` to people."""
        if self.is_json:
            sys.stdout.write(json.dumps(content, indent=2) + "\n")
            return
        for one in shown:
            self._console.print(one)

    def stream(self, content: object, line: str) -> None:
        """One of many results, at once: a line of JSON, or `line`."""
        sys.stdout.write((json.dumps(content) if self.is_json else clean(line)) + "\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Beside the result."""
        self._notices.print(clean(text))

    def progress(self) -> Progress:
        """A bar on the standard error; use as a context manager."""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}", markup=False),
            TimeElapsedColumn(),
        )
        return Progress(*columns, console=self._notices, disable=self._is_quiet)


def _console(*, is_error: bool) -> Console:
    console = Console(stderr=is_error, markup=False, highlight=False, emoji=False, soft_wrap=is_error)
    if not is_error:
        console.width = _WIDTH
    return console


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> Table:
    """A table; numbers stand right, with a unit or as 3/4."""
    filled = [[shown(cell) for cell in row] for row in rows]
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=any(columns))
    for place, name in enumerate(columns):
        numbers = all(_NUMBER.fullmatch(row[place]) for row in filled)
        made.add_column(name, justify="right" if filled and numbers else "left", overflow="fold")
    for row in filled:
        made.add_row(*row)
    return made


def properties(content: Mapping[str, Any]) -> Table:
    """What a JSON object tells, one line each; what is in it in turn, below its name."""
    return table(("", ""), _flat(content))


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, object]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", f"{value} ({size(value)})" if "Bytes" in key and type(value) is int else value


def shown(value: object) -> str:
    """One value for people."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value)) or "-"
    return clean(str(value))


def clean(text: str) -> str:
    """Without what would steer a terminal: some of it comes from the server."""
    return "".join(one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in text)


def size(number: float) -> str:
    """Bytes with a unit that leaves few digits, such as 1.5 GiB."""
    unit = 0
    while abs(number) >= _STEP and unit < len(_UNITS) - 1:
        number, unit = number / _STEP, unit + 1
    return f"{number:.0f} {_UNITS[unit]}" if unit == 0 else f"{number:.1f} {_UNITS[unit]}"


def counted(number: float, one: str, many: str = "") -> str:
    """A number with its noun: "1 file", "2 files"; `many` is the plural where it is not `one` with an s."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
