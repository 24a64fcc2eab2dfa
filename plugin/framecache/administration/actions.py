"""POST below /frame-cache/: purge, warm, pin and unpin."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from framecache.administration.answers import Answer
from framecache.administration.resources import check_id
from framecache.archive.catalogue import Catalogue
from framecache.cache.frame_store import FrameStore
from framecache.dicom.identity import is_uid
from framecache.errors import NotFound, Overloaded
from framecache.filling.filler import Filler, Priority
from framecache.ports import Log, OrthancApi

_RESOURCE = "(studies|series|instances)/([^/]+)"


class Actions:
    """What is done to a study, a series or an instance."""

    def __init__(self, api: OrthancApi, catalogue: Catalogue, store: FrameStore, filler: Filler, log: Log) -> None:
        self._api, self._catalogue, self._store, self._filler, self._log = api, catalogue, store, filler, log
        self.told: Mapping[str, Answer] = {}
        self.done: Mapping[str, Answer] = {
            f"{_RESOURCE}/purge": self.purge,
            f"{_RESOURCE}/warm": self.warm,
            "studies/([^/]+)/pin": self.pin,
            "studies/([^/]+)/unpin": self.unpin,
        }

    def purge(self, level: str, orthanc_id: str) -> dict[str, Any]:
        """POST /frame-cache/{studies,series,instances}/{id}/purge: what is kept of it leaves the cache.

        A viewer that asks for it brings it back. Raises NotFound.
        """
        instances = self._instances(level, orthanc_id)
        purged = sum(self._purge(one) for one in instances)
        self._log.info(f"frame cache: {level} {orthanc_id} purged: {purged} of {len(instances)} instances were cached")
        return {"ID": orthanc_id, "Instances": len(instances), "PurgedInstances": purged}

    def warm(self, level: str, orthanc_id: str) -> dict[str, Any]:
        """POST /frame-cache/{studies,series,instances}/{id}/warm: it is cached behind all that arrives.

        Raises NotFound, Overloaded.
        """
        instances = self._instances(level, orthanc_id)
        queued = [one for one in instances if self._filler.submit(one, Priority.WARMED)]
        if len(queued) < len(instances):
            raise Overloaded(f"the queue is full: {len(queued)} of {len(instances)} instances were queued")
        return {"ID": orthanc_id, "Instances": len(instances), "Queued": len(queued)}

    def pin(self, orthanc_id: str) -> dict[str, Any]:
        """POST /frame-cache/studies/{id}/pin: what is kept of the study stays, whatever else comes. Raises NotFound."""
        return self._pin(orthanc_id, self._store.pin, pinned=True)

    def unpin(self, orthanc_id: str) -> dict[str, Any]:
        """POST /frame-cache/studies/{id}/unpin: the study goes like any other. Raises NotFound."""
        return self._pin(orthanc_id, self._store.unpin, pinned=False)

    def _pin(self, orthanc_id: str, change: Callable[[str], None], *, pinned: bool) -> dict[str, Any]:
        check_id(orthanc_id)
        uid = json.loads(self._api.get(f"/studies/{orthanc_id}"))["MainDicomTags"].get("StudyInstanceUID", "")
        if not is_uid(uid):
            raise NotFound("the study has no usable Study Instance UID")
        self._catalogue.on_desk(lambda: change(uid))
        return {"ID": orthanc_id, "StudyInstanceUID": uid, "Pinned": pinned}

    def _purge(self, orthanc_id: str) -> bool:
        rows: int = self._catalogue.on_desk(lambda: self._store.forget(orthanc_id))
        self._catalogue.forget(orthanc_id)
        self._filler.forget(orthanc_id)
        return rows > 0

    def _instances(self, level: str, orthanc_id: str) -> list[str]:
        """The Orthanc IDs of the instances of a study, a series, or the instance itself."""
        check_id(orthanc_id)
        if level == "instances":
            return [str(json.loads(self._api.get(f"/instances/{orthanc_id}"))["ID"])]
        return list(map(str, json.loads(self._api.get(f"/{level}/{orthanc_id}/instances?expand=false"))))
