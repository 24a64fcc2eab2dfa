"""A command's output: its result goes to standard output, everything else to standard error."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

_WIDTH = 10_000  # the terminal may wrap long lines, but an ID that the table folds can no longer be copied
_NUMBER = re.compile(r"\d+([./]\d+)?( \S+)?")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024


class Output:
    """Tables for people, or JSON for programs."""

    def __init__(self, *, is_json: bool, is_quiet: bool = False) -> None:
        self.is_json, self._is_quiet = is_json, is_quiet or is_json
        self._console, self._notices = _console(is_error=False), _console(is_error=True)

    def show(self, content: object, *shown: RenderableType) -> None:
        """Print the result: `content` as JSON, or `shown` for people."""
        if self.is_json:
            sys.stdout.write(json.dumps(content, indent=2) + "\n")
            return
        for one in shown:
            self._console.print(one)

    def stream(self, content: object, line: str) -> None:
        """Print one of many results at once: a line of JSON, or `line`."""
        sys.stdout.write((json.dumps(content) if self.is_json else clean(line)) + "\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Print a notice to standard error."""
        self._notices.print(clean(text))

    def progress(self) -> Progress:
        """A progress bar on standard error; use as a context manager."""
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
    """A table; columns of numbers, such as 3, 3/4 or 3 MiB, are aligned right."""
    filled = [[shown(cell) for cell in row] for row in rows]
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=any(columns))
    for place, name in enumerate(columns):
        numbers = all(_NUMBER.fullmatch(row[place]) for row in filled)
        made.add_column(name, justify="right" if filled and numbers else "left", overflow="fold")
    for row in filled:
        made.add_row(*row)
    return made


def properties(content: Mapping[str, Any]) -> Table:
    """The members of a JSON object, one per line; nested members as name.member."""
    return table(("", ""), _flat(content))


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, object]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", f"{value} ({size(value)})" if "Bytes" in key and type(value) is int else value


def shown(value: object) -> str:
    """One value as text for people."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value)) or "-"
    return clean(str(value))


def clean(text: str) -> str:
    """Replace control characters, which would control the terminal: some text comes from the server."""
    return "".join(one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in text)


def size(number: float) -> str:
    """Bytes in the largest fitting unit, such as 1.5 GiB."""
    unit = 0
    while abs(number) >= _STEP and unit < len(_UNITS) - 1:
        number, unit = number / _STEP, unit + 1
    return f"{number:.0f} {_UNITS[unit]}" if unit == 0 else f"{number:.1f} {_UNITS[unit]}"


def counted(number: float, one: str, many: str = "") -> str:
    """A number with its noun: "1 file", "2 files"; `many` is the plural, by default `one` with an s."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
