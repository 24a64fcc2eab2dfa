"""POST below /frame-cache/: purge, warm, verify, pin and unpin."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from framecache.admin.area import Answer
from framecache.admin.jobs import Jobs, Work
from framecache.batches import batches
from framecache.dicom.identity import is_identifier
from framecache.errors import NotFound
from framecache.instances.catalogue import Catalogue
from framecache.orthanc.hierarchy import Hierarchy, check_id
from framecache.plurals import counted
from framecache.prefetch.scheduler import Scheduler
from framecache.prefetch.write_behind import WriteBehind
from framecache.store.store import Store
from framecache.telemetry.events import Events

logger = logging.getLogger(__name__)

_RESOURCE = "(studies|series|instances)/([^/]+)"
_BATCH = 500

# Makes the work of a job from Orthanc IDs of instances.
MakeWork = Callable[[Sequence[str]], Work]


class Actions:
    """The area of actions on a study, a series or an instance."""

    def __init__(
        self,
        archive: Hierarchy,
        catalogue: Catalogue,
        store: Store,
        scheduler: Scheduler,
        write_behind: WriteBehind,
        jobs: Jobs,
        warming: MakeWork,
        verification: MakeWork,
        events: Events,
    ) -> None:
        self._archive, self._catalogue, self._store, self._scheduler = archive, catalogue, store, scheduler
        self._write_behind, self._jobs, self._events = write_behind, jobs, events
        self._warming, self._verification = warming, verification
        self.get_routes: Mapping[str, Answer] = {}
        self.post_routes: Mapping[str, Answer] = {
            f"{_RESOURCE}/purge": self.purge,
            f"{_RESOURCE}/warm": self.warm,
            f"{_RESOURCE}/verify": self.verify,
            "studies/([^/]+)/pin": self.pin,
            "studies/([^/]+)/unpin": self.unpin,
        }

    def purge(self, level: str, orthanc_id: str) -> dict[str, Any]:
        """POST /frame-cache/{studies,series,instances}/{id}/purge: remove it from the cache.

        An extraction in progress is cancelled and leaves nothing. A viewer's next request caches it again.
        Raises NotFound.
        """
        instances = self._instances(level, orthanc_id)
        purged = sum(self._purge(some) for some in batches(instances, _BATCH))
        summary = f"{purged} of {counted(len(instances), 'instance')} {'was' if purged == 1 else 'were'} cached"
        logger.info("purged %s/%s: %s", level, orthanc_id, summary)
        self._events.note("purged", level, orthanc_id, summary)
        return {"ID": orthanc_id, "Instances": len(instances), "PurgedInstances": purged}

    def _purge(self, orthanc_ids: Sequence[str]) -> int:
        """Cancel before removing: a block written later is of other instances, or its writer removes it again."""
        for orthanc_id in orthanc_ids:
            self._scheduler.cancel(orthanc_id)
            self._write_behind.forget(orthanc_id)
        versions = self._catalogue.on_desk(lambda: self._store.versions.of(orthanc_ids))
        self._catalogue.on_desk(lambda: self._store.versions.remove_all(*orthanc_ids))
        for orthanc_id in orthanc_ids:
            self._catalogue.forget(orthanc_id)
        return sum(map(bool, versions.values()))

    def warm(self, level: str, orthanc_id: str) -> dict[str, Any]:
        """POST /frame-cache/{studies,series,instances}/{id}/warm: cache it by a job, after all new instances.

        Raises NotFound, Overloaded.
        """
        answer = self._begin("warm", self._warming, level, orthanc_id)
        return {**answer, "Queued": answer["Instances"]}

    def verify(self, level: str, orthanc_id: str) -> dict[str, Any]:
        """POST /frame-cache/{studies,series,instances}/{id}/verify: read and check its cached blocks by a job.

        Raises NotFound, Overloaded.
        """
        return self._begin("verify", self._verification, level, orthanc_id)

    def _begin(self, kind: str, make_work: MakeWork, level: str, orthanc_id: str) -> dict[str, Any]:
        instances = self._instances(level, orthanc_id)
        job = self._jobs.begin(kind, make_work(instances), level=level, subject=orthanc_id, total=len(instances))
        return {"ID": orthanc_id, "Instances": len(instances), "Job": job.id}

    def pin(self, orthanc_id: str) -> dict[str, Any]:
        """POST /frame-cache/studies/{id}/pin: exempt the study from eviction. Raises NotFound."""
        return self._pin(orthanc_id, self._store.pins.pin, is_pinned=True)

    def unpin(self, orthanc_id: str) -> dict[str, Any]:
        """POST /frame-cache/studies/{id}/unpin: allow its eviction again. Raises NotFound."""
        return self._pin(orthanc_id, self._store.pins.unpin, is_pinned=False)

    def _pin(self, orthanc_id: str, change: Callable[[str], None], *, is_pinned: bool) -> dict[str, Any]:
        check_id(orthanc_id)
        uid = self._archive.study_instance_uid(orthanc_id)
        if not is_identifier(uid):
            raise NotFound("the study has no usable Study Instance UID")
        self._catalogue.on_desk(lambda: change(uid))
        self._events.note("pinned" if is_pinned else "unpinned", "studies", orthanc_id)
        return {"ID": orthanc_id, "StudyInstanceUID": uid, "Pinned": is_pinned}

    def _instances(self, level: str, orthanc_id: str) -> list[str]:
        check_id(orthanc_id)
        return self._archive.instance_ids(level, orthanc_id)
