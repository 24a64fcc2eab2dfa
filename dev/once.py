"""Making a folder once, and again only when what it is made from has changed."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.console import CACHE

MARK = ".made-from"


def make_once(folder: Path, recipe: str, make: Callable[[], None]) -> None:
    """Let `make` fill `folder`, unless it was filled by the same `recipe` at the same place before.

    Through a link it is the same place, so checkouts that share one `.cache` do not make it anew for one another.
    The mark is written last, so what a broken-off run left is thrown away by the next one.
    """
    digest = hashlib.sha256(f"{folder.resolve()}\n{recipe}".encode()).hexdigest()
    mark = folder / MARK
    if mark.exists() and mark.read_text() == digest:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    make()
    mark.write_text(digest)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold off a second bootstrap of the same checkout until the first has ended."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
