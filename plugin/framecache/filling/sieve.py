"""Which of some instances are worth a place in the cache: one question to Orthanc for many of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from framecache.dicom.instance import number_of_frames
from framecache.errors import FrameCacheError, SourceError
from framecache.ports import Log, OrthancApi


class Sieve:
    """Asks Orthanc's database, not the stored files."""

    def __init__(self, api: OrthancApi, log: Log, is_worth_it: Callable[[int, int], bool]) -> None:
        """`is_worth_it` says by the number of frames and the bytes of one whether an instance is cached."""
        self._api, self._log, self._is_worth_it = api, log, is_worth_it

    def sift(self, orthanc_ids: Sequence[str]) -> dict[str, int]:
        """Those of a few hundred instances that are worth it, with the bytes of their files.

        What is gone is not among them. Raises SourceError where Orthanc does not tell.
        """
        body = json.dumps({"Resources": list(orthanc_ids), "Level": "Instance", "Metadata": True}).encode()
        try:
            answers: list[dict[str, Any]] = json.loads(self._api.post("/tools/bulk-content", body))
        except ValueError as error:
            raise SourceError(f"Orthanc's answer cannot be understood: {error}") from error
        worth_it = {}
        for answer in answers:
            try:
                if self._is_worth_it(*_frames_and_size(answer)):
                    worth_it[str(answer["ID"])] = int(answer["FileSize"])
            except (FrameCacheError, KeyError, ValueError, TypeError) as error:
                self._log.warning(f"frame cache: an instance could not be looked at: {error}")
        return worth_it


def _frames_and_size(answer: dict[str, Any]) -> tuple[int, int]:
    frames = number_of_frames(answer.get("MainDicomTags", {}))
    offset = int(answer.get("Metadata", {}).get("PixelDataOffset") or 0)
    size = int(answer.get("FileSize") or 0)
    if size < 0 or frames < 1:
        raise FrameCacheError("Orthanc's answer has no size")
    return frames, max(0, size - offset) // frames
