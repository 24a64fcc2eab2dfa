"""Answers with metadata that were joined lately, so that a series is not joined again for who opens it next."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JoinedMetadata:
    """A body, and the Orthanc IDs and attachments of the instances that it was joined of, in their order."""

    orthanc_ids: Sequence[str]
    attachment_uuids: Sequence[str]
    entity_tag: str
    body: bytes


class JoinedAnswers:
    """The last used of them, of `limit` bytes in all."""

    def __init__(self, limit: int) -> None:
        """One that takes more than a quarter of that is not held."""
        self._limit, self._used, self._lock = limit, 0, threading.Lock()
        self._answers = OrderedDict[Hashable, JoinedMetadata]()

    def get(self, key: Hashable) -> JoinedMetadata | None:
        """The answer under this key, true or not any more."""
        with self._lock:
            if (found := self._answers.get(key)) is not None:
                self._answers.move_to_end(key)
            return found

    def hold(self, key: Hashable, answer: JoinedMetadata) -> None:
        """Hold one in place of that under the same key."""
        if _size(answer) > self._limit // 4:
            return
        with self._lock:
            if (old := self._answers.pop(key, None)) is not None:
                self._used -= _size(old)
            self._answers[key] = answer
            self._used += _size(answer)
            while self._used > self._limit:
                self._used -= _size(self._answers.popitem(last=False)[1])


def _size(answer: JoinedMetadata) -> int:
    """With some 200 bytes for the two names of each instance."""
    return len(answer.body) + 200 * len(answer.orthanc_ids)
