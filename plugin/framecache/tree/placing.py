"""Says that frames of the web view are being exchanged: whoever derives the study looks at its places for as long.

Frames have no mark of what they were put there for, as other derived files have. One that is put there by an old view,
by a writer that is killed before it looks again, would stay.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from framecache.tree import layout
from framecache.tree.objects import Listed, Objects


class Placing:
    """One writer's mark, made when it is needed."""

    def __init__(self, objects: Objects, study: str) -> None:
        self._objects, self._key, self._is_there = objects, f"{layout.placing(study)}/{uuid.uuid4().hex}", False

    def begin(self) -> None:
        """Before the first frame is exchanged. Raises Unreachable."""
        if not self._is_there:
            self._objects.create(self._key, b"")
            self._is_there = True

    def end(self) -> None:
        """When the log was seen to be that of before."""
        if self._is_there:
            self._objects.delete([self._key])
            self._is_there = False


@contextmanager
def placing(objects: Objects, study: str) -> Iterator[Placing]:
    """The mark stays if what is done within it fails."""
    mark = Placing(objects, study)
    yield mark
    mark.end()


def marks(objects: Objects, study: str) -> list[Listed]:
    """All there are of a study; those of killed writers stay until a collection finds them old."""
    return objects.listed(layout.placing(study))
