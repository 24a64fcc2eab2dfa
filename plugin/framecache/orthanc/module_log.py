"""Orthanc's log."""

from __future__ import annotations

from framecache.ports import OrthancModule


class ModuleLog:
    """One line for each message.

    Orthanc's functions raise TypeError for NUL and lone surrogates, which texts of a file may hold: a thread that tells
    of a fault would end by it. A line break would begin a line of the file's choice.
    """

    def __init__(self, module: OrthancModule) -> None:
        self._module = module

    def info(self, message: str) -> None:
        self._module.LogInfo(_in_one_line(message))

    def warning(self, message: str) -> None:
        self._module.LogWarning(_in_one_line(message))

    def error(self, message: str) -> None:
        self._module.LogError(_in_one_line(message))


def _in_one_line(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
