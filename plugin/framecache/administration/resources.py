"""GET below /frame-cache/: how much of an instance is cached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from framecache.administration.answers import Answer
from framecache.archive.catalogue import Catalogue
from framecache.cache.frame_store import FrameStore
from framecache.dicom.identity import is_orthanc_id
from framecache.dicom.transfer_syntax import EXPLICIT, stored_representation
from framecache.errors import NotFound
from framecache.filling.filler import Filler


def check_id(text: str) -> None:
    """Raises NotFound for what cannot be a resource's Orthanc ID."""
    if not is_orthanc_id(text):
        raise NotFound("an Orthanc ID has five groups of eight hexadecimal digits")


class Resources:
    """What is told of instances."""

    def __init__(self, catalogue: Catalogue, store: FrameStore, filler: Filler) -> None:
        self._catalogue, self._store, self._filler = catalogue, store, filler
        self.told: Mapping[str, Answer] = {"instances/([^/]+)": self.instance}
        self.done: Mapping[str, Answer] = {}

    def instance(self, orthanc_id: str) -> dict[str, Any]:
        """GET /frame-cache/instances/{id}. Raises NotFound."""
        check_id(orthanc_id)
        entry = self._catalogue.on_desk(lambda: self._catalogue.describe(orthanc_id))
        instance = entry.instance
        rows = self._catalogue.on_desk(lambda: self._store.blocks(instance))
        stored = (stored_representation(instance.transfer_syntax_uid) or EXPLICIT).transfer_syntax_uid
        cached, size = sum(row.count for row in rows if row.representation == stored), sum(row.size for row in rows)
        if entry.index is not None:
            cached = instance.number_of_frames
        state = self._filler.state(orthanc_id)
        if cached >= instance.number_of_frames:
            name = "cached"
        else:
            name = state.state if state and state.state != "cached" else "partial" if cached else "not cached"
        return {
            "ID": orthanc_id,
            "State": name,
            "NumberOfFrames": instance.number_of_frames,
            "CachedFrames": cached,
            "Mode": "index" if entry.index is not None else "copy" if cached else None,
            "Bytes": size,
            "TransferSyntax": instance.transfer_syntax_uid,
            "LastError": state.error if state else None,
        }
