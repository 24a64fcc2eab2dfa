"""Faults of a disk or a clock, for what a test looks at: the threads of other tests go on with the real functions."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest

_Function = TypeVar("_Function", bound=Callable[..., Any])


class OwnFiles:
    """Replaces functions whose first argument is a path or a descriptor, for the files below one folder alone."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch = folder, monkeypatch

    def replace(self, name: str, function: Callable[..., Any], module: ModuleType = os) -> None:
        """Until the test ends, or `undo`."""
        real = getattr(module, name)

        def chosen(target: Any = ".", *positional: Any, **named: Any) -> Any:
            return (function if self._owns(target) else real)(target, *positional, **named)

        self._monkeypatch.setattr(module, name, chosen)

    def undo(self) -> None:
        """Let the disk be in order again."""
        self._monkeypatch.undo()

    def _owns(self, target: int | str | bytes | os.PathLike[str]) -> bool:
        path = f"/proc/self/fd/{target}" if isinstance(target, int) else os.fsdecode(target)
        return Path(os.path.realpath(path)).is_relative_to(self._folder.resolve())


def only_here(function: Callable[..., Any], real: _Function) -> _Function:
    """`function` on the thread that calls this, and `real` on all others."""
    here = threading.get_ident()

    def chosen(*positional: Any, **named: Any) -> Any:
        return (function if threading.get_ident() == here else real)(*positional, **named)

    return chosen  # type: ignore[return-value]
