"""What an operator sees: the status, and one instance."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from framecache import settings as settings_module
from framecache.archive.catalogue import Catalogue
from framecache.cache.buffers import BufferPool
from framecache.cache.frame_store import FrameStore
from framecache.dicom.identity import is_orthanc_id, is_uid
from framecache.dicom.transfer_syntax import EXPLICIT, stored_representation
from framecache.errors import NotFound, Overloaded
from framecache.filling.filler import Filler, Priority
from framecache.filling.intake import Intake
from framecache.host.admin_routes import Answer
from framecache.host.checks import Check, check_store
from framecache.metrics import Event, Metrics
from framecache.ports import Log, OrthancApi
from framecache.settings import Settings

VERSION = "0.1.0"
_RESOURCE = "(studies|series|instances)/([^/]+)"
_NO_ID = "an Orthanc ID has five groups of eight hexadecimal digits"
_COUNTERS: Mapping[str, Event] = {
    "Hits": "hits",
    "Misses": "misses",
    "Bypasses": "bypasses",
    "NotModified": "not_modified",
    "Errors": "errors",
    "DamagedBlocks": "damaged_blocks",
    "FilledInstances": "filled_instances",
    "FilledFrames": "filled_frames",
    "FilledBytes": "filled_bytes",
    "DroppedFromQueue": "dropped_from_queue",
}


@dataclass(slots=True)
class Findings:
    """What the start found out; it grows until Orthanc has started."""

    versions: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    serving: bool = False

    @property
    def failed(self) -> list[Check]:
        """The checks that did not pass."""
        return [check for check in self.checks if not check.passed]

    def note(self, check: Check) -> None:
        """Put a check in the place of the one of its name, or behind all."""
        names = [known.name for known in self.checks]
        place = names.index(check.name) if check.name in names else len(names)
        self.checks[place : place + 1] = [check]

    def passed(self, name: str) -> bool:
        """Whether the check of that name was made and passed."""
        return any(check.name == name and check.passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """As the status shows it."""
        return {
            "Version": VERSION,
            "Versions": {"Python": platform.python_version(), **self.versions},
            "Serving": self.serving,
            "OwnsFrameRoutes": self.passed("RouteOrder"),
            "AllowThreads": self.passed("AllowThreads"),
            "Checks": [
                {"Name": check.name, "Passed": check.passed, **({} if check.passed else {"Advice": check.advice})}
                for check in self.checks
            ],
        }


class Administration:
    """Answers the routes under /frame-cache/."""

    def __init__(
        self,
        findings: Findings,
        settings: Settings,
        api: OrthancApi,
        catalogue: Catalogue,
        store: FrameStore,
        filler: Filler,
        intake: Intake,
        pool: BufferPool,
        metrics: Metrics,
        log: Log,
    ) -> None:
        self._findings, self._settings, self._catalogue, self._store = findings, settings, catalogue, store
        self._filler, self._intake, self._pool, self._metrics = filler, intake, pool, metrics
        self._api, self._log = api, log

    @property
    def told(self) -> Mapping[str, Answer]:
        """What GET tells, by the pattern of its path below /frame-cache/."""
        return {"status": self.status, "instances/([^/]+)": self.instance}

    @property
    def done(self) -> Mapping[str, Answer]:
        """What POST does, by the pattern of its path below /frame-cache/."""
        return {
            f"{_RESOURCE}/purge": self.purge,
            f"{_RESOURCE}/warm": self.warm,
            "studies/([^/]+)/pin": self.pin,
            "studies/([^/]+)/unpin": self.unpin,
        }

    def status(self) -> dict[str, Any]:
        """GET /frame-cache/status."""
        degraded = self._store.degraded
        self._findings.note(check_store(degraded.reason if degraded else None))
        count, size = self._catalogue.on_desk(self._usage)
        failures = self._filler.failures()
        return {
            **self._findings.to_json(),
            "Settings": settings_module.in_force(self._settings),
            "Entries": count,
            "Bytes": size,
            "MaximumBytes": self._settings.maximum_size_mb * settings_module.MEGABYTE,
            "Degraded": self._degraded(),
            "PinnedStudies": sorted(self._catalogue.on_desk(self._store.pinned)),
            "BytesInFlight": self._pool.leased,
            "QueueLength": self._filler.queue_length + self._intake.queue_length,
            "Failures": self._metrics["failed_fills"],
            "FailedInstances": dict(list(failures.items())[-20:]),
            **{name: self._metrics[event] for name, event in _COUNTERS.items()},
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
        if not is_orthanc_id(orthanc_id):
            raise NotFound(_NO_ID)
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
        if not is_orthanc_id(orthanc_id):
            raise NotFound(_NO_ID)
        if level == "instances":
            return [str(json.loads(self._api.get(f"/instances/{orthanc_id}"))["ID"])]
        return list(map(str, json.loads(self._api.get(f"/{level}/{orthanc_id}/instances?expand=false"))))

    def _degraded(self) -> dict[str, str] | None:
        """Since when and why nothing is kept."""
        found = self._store.degraded
        if found is None:
            return None
        return {"Since": datetime.fromtimestamp(found.since, UTC).isoformat(timespec="seconds"), "Reason": found.reason}

    def _usage(self) -> tuple[int, int]:
        return self._store.count(), self._store.bytes_used()

    def instance(self, orthanc_id: str) -> dict[str, Any]:
        """GET /frame-cache/instances/{id}. Raises NotFound."""
        if not is_orthanc_id(orthanc_id):
            raise NotFound(_NO_ID)
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
