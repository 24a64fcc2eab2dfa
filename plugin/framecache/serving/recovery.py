"""Another try, where what an answer was to be made of turned out to be gone."""

from __future__ import annotations

from collections.abc import Callable

from framecache.dicom.identity import InstancePath
from framecache.errors import InstanceGone
from framecache.instances.catalogue import Catalogue
from framecache.serving.answer import Answer
from framecache.serving.frame_location import DamagedFrame
from framecache.serving.frames import FormUnavailable
from framecache.serving.representations import Form

# A block is damaged once. An instance may be replaced again and again, each time before it is looked up and read:
# whoever asks then is to be answered by one of the versions, and not by 503.
_TRIES, _TRIES_OF_REPLACED = 3, 10
Attempt = Callable[[frozenset[Form]], Answer]


class RecoveryLoop:
    """The one loop around a transaction."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def answer(self, path: InstancePath, attempt: Attempt) -> Answer:
        """What `attempt` returns, which is told the forms that cannot be had.

        A damaged block is dropped when it is met, so that its frame is found elsewhere; an instance that was replaced
        is looked up anew; of a form that cannot be had the next best is negotiated. Raises DamagedFrame, InstanceGone
        where it goes on, and what `attempt` raises.
        """
        refused: frozenset[Form] = frozenset()
        damaged = replaced = 0
        while True:
            try:
                return attempt(refused)
            except FormUnavailable as error:
                refused |= {error.form}
            except DamagedFrame:
                damaged += 1
                if damaged == _TRIES:
                    raise
            except InstanceGone:
                replaced += 1
                if replaced == _TRIES_OF_REPLACED:
                    raise
                self._catalogue.forget_path(path)
