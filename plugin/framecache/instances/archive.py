"""The archive as this Orthanc uses it: opened as soon as it can be reached, and read only where it is of its files."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from framecache.bounded_dict import BoundedDict
from framecache.dicom.ranged_reader import OutOfReach
from framecache.errors import NotFound, Stopping, reason
from framecache.orthanc.instance import Instance
from framecache.ports import Clock
from framecache.telemetry.metrics import Metrics
from framecache.threads import Desk, TooSlow
from framecache.tree.errors import Unreachable
from framecache.tree.layout import FORMS
from framecache.tree.record import Record

if TYPE_CHECKING:
    from framecache.tree.tree import Tree  # which needs an optional extra

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")
_PATIENCE, _REST_SECONDS, _ABSENT_SECONDS = 10.0, 10.0, 60.0
# Series Instance UID, Number of Series Related Instances
_SERIES_UID, _NUMBER = "0020000E", "00201209"
# Each record has the metadata of its instance.
_MOST_RECORDS, _MOST_ABSENT = 64, 10_000
# Orthanc reads shorter files faster than the archive is asked: for one frame of them, and for all.
_LEAST_FOR_A_FRAME, _LEAST_FOR_ALL = 1 << 20, 64 << 20


@dataclass(frozen=True, slots=True)
class ArchiveFigures:
    """How many changes of Orthanc's log and tasks have not reached the archive.

    `error` says since `since` (seconds since the epoch) why it cannot be written or read; else it is "". In the same
    way `comparison` says why it is being compared with Orthanc, and how far that is.
    """

    behind: int = 0
    error: str = ""
    since: float = 0.0
    comparison: str = ""
    comparison_since: float = 0.0


class Archive:
    """One archive. Requests to it are made at a desk: a client of HTTP needs more stack than Orthanc's threads have."""

    def __init__(
        self,
        open_tree: Callable[[], Tree],
        desk: Desk,
        clock: Clock,
        metrics: Metrics,
        *,
        url: str = "",
        patience: float = _PATIENCE,
        least_for_a_frame: int = _LEAST_FOR_A_FRAME,
        least_for_all: int = _LEAST_FOR_ALL,
    ) -> None:
        """`open_tree` raises ArchiveError where there is no answer. By its `url`, it is told from other archives. A
        viewer waits `patience` seconds for an answer.

        Files shorter than so many bytes are not worth asking for.
        """
        self.name = hashlib.sha256(url.rstrip("/").encode()).hexdigest()  # a URL may have a password in it
        self._least_for_a_frame, self._least_for_all = least_for_a_frame, least_for_all
        self._open, self._desk, self._clock, self._metrics = open_tree, desk, clock, metrics
        self._patience = patience
        self._tree: Tree | None = None
        self._opening = threading.Lock()
        self._records = BoundedDict[str, Record](_MOST_RECORDS)
        self._absent = BoundedDict[str, float](_MOST_ABSENT)
        self._lock = threading.Lock()
        self._rests_until = 0.0
        self._error, self._since = "", 0.0

    def figures(self, behind: int = 0) -> ArchiveFigures:
        """The present state."""
        return ArchiveFigures(behind, self._error, self._since)

    def failed(self, error: Exception) -> None:
        """It could not be read or written."""
        self._metrics.count("archive_faults")
        if not self._error:
            self._since = self._clock.time()
        self._error = reason(error)
        if isinstance(error, Unreachable | TooSlow):  # who asks next need not wait for what is not there
            self._rests_until = self._clock.monotonic() + _REST_SECONDS

    def answered(self) -> None:
        """It could."""
        self._error = ""

    def tree(self) -> Tree:
        """The archive itself, on a thread with a stack of normal size. Raises ArchiveError."""
        with self._opening:
            if self._tree is None:
                self._tree = self._open()
            return self._tree

    def record(self, instance: Instance, *, whole: bool = False) -> Record | None:
        """The record of the very file that Orthanc holds; None where the archive has none, or is not to be asked.

        `whole` says that all of its frames will be read.
        """
        if instance.file_size < (self._least_for_all if whole else self._least_for_a_frame):
            return None
        known, until = self._known(instance)
        if known is not None or self._clock.monotonic() < max(until, self._rests_until):
            return known
        try:
            record: Record | None = self._ask(lambda: self.tree().record_of_file(instance.path))
        except NotFound:
            record = None
        except OutOfReach:
            return None
        record = record if record is not None and is_made_of(record, instance) else None
        self.forget(instance)
        with self._lock:
            if record is not None:
                self._records[instance.attachment_uuid] = record
            else:
                self._absent[instance.attachment_uuid] = self._clock.monotonic() + _ABSENT_SECONDS
        return record

    def frame(self, record: Record, number: int) -> memoryview:
        """Frame `number`, from 1, as it was stored. Raises OutOfReach."""
        try:
            [frame] = self._ask(lambda: self.tree().frames_of(record, [number]))
        except NotFound as error:
            raise OutOfReach(str(error)) from error
        self._metrics.count("archive_reads")
        self._metrics.count("archive_bytes", len(frame))
        return frame

    def numbers(self, study_instance_uid: str) -> dict[str, int] | None:
        """How many instances of each series, by its UID, the archive shows; None where it does not answer."""
        if self._clock.monotonic() < self._rests_until:
            return None
        try:
            shown = self._ask(lambda: self.tree().series(study_instance_uid))
        except NotFound:
            return {}
        except OutOfReach:
            return None
        return {one[_SERIES_UID]["Value"][0]: int(one[_NUMBER]["Value"][0]) for one in shown}

    def frame_in(self, record: Record, transfer_syntax_uid: str, number: int) -> bytes | None:
        """The frame in another form than the stored one; None where the archive has it not, or not now."""
        if transfer_syntax_uid not in FORMS:
            return None
        try:
            [frame] = self._ask(lambda: self.tree().frames_in(record, transfer_syntax_uid, [number]))
        except (NotFound, OutOfReach):
            return None
        self._metrics.count("archive_reads")
        self._metrics.count("archive_bytes", len(frame))
        return bytes(frame)

    def forget(self, instance: Instance) -> None:
        """Something of this version was written: what was not there may be there now."""
        with self._lock:
            self._records.pop(instance.attachment_uuid, None)
            self._absent.pop(instance.attachment_uuid, None)

    def close(self) -> None:
        """End its threads. Returns when what is being written is written."""
        with self._opening:
            if self._tree is not None:
                self._tree.close()
                self._tree = None

    def abandon(self) -> None:
        """The same without waiting, for Orthanc's end: the archive may be out of reach."""
        tree = self._tree  # whoever is opening it has its lock, and no threads of it yet
        if tree is not None:
            tree.abandon()

    def _known(self, instance: Instance) -> tuple[Record | None, float]:
        uuid = instance.attachment_uuid
        with self._lock:
            return self._records.get(uuid), self._absent.get(uuid, 0.0)

    def _ask(self, question: Callable[[], _Result]) -> _Result:
        try:
            answer = self._desk.call(question, self._patience)
        except (NotFound, Stopping):
            raise
        except Exception as error:
            self.failed(error)
            logger.warning("the archive cannot be read: %s", reason(error))
            raise OutOfReach(reason(error)) from error
        self.answered()
        return answer


def is_made_of(record: Record, instance: Instance) -> bool:
    """Whether the record is of the file that Orthanc holds: its own attachment, or one of the same MD5 elsewhere."""
    if record.transfer_syntax_uid != instance.transfer_syntax_uid or record.origin.size != instance.file_size:
        return False
    own = record.origin.attachment_uuid == instance.attachment_uuid
    return own or (bool(record.origin.md5) and record.origin.md5 == instance.md5)
