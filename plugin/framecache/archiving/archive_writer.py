"""Writes instances to the archive behind the local cache, and ends there what Orthanc deletes.

New instances are read from Orthanc's own log of changes, with a bookmark: however long the archive is out of reach,
they wait in Orthanc's database. Deletions and viewed instances are reported only once, and wait in the ledger.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress

from framecache.archiving.archive_forms import ArchiveForms
from framecache.archiving.deletion import end_all
from framecache.archiving.deletion_audit import DeletionAudit
from framecache.archiving.giving_way import GivingWay
from framecache.archiving.ledger import Comparison, Ledger, Task, Waiting, is_lost
from framecache.archiving.ownership import Ownership, check_is_there
from framecache.archiving.reconstruction import Reconstruction
from framecache.archiving.stored_source import source_of
from framecache.batches import batches
from framecache.errors import FOR_GOOD, NotFound, SourceError, Stopping, reason
from framecache.instances.archive import Archive
from framecache.instances.catalogue import Catalogue
from framecache.instances.entry import Entry
from framecache.instances.stored_files import StoredFiles
from framecache.orthanc.changes import Changes
from framecache.orthanc.instance_index import InstanceIndex
from framecache.policy.rule import ArchiveWrite
from framecache.ports import Clock, PropertyApi
from framecache.prefetch.late_changes import LateChanges
from framecache.prefetch.scheduler import Scheduler
from framecache.telemetry.metrics import Metrics
from framecache.tree.errors import Unreachable
from framecache.tree.forms import FormMaker
from framecache.tree.layout import file_name
from framecache.tree.tree import Tree
from framecache.tree.writer import Added, Skipped, Unchanged
from framecache.worker import Worker

logger = logging.getLogger(__name__)

_Written = Added | Unchanged
_BATCH = 200
_POLL_SECONDS, _RETRY_SECONDS, _AUDIT_SECONDS = 10.0, 10.0, 0.5
# So long a batch gives way to the local cache; where that is never idle, the archive must not wait for ever.
_MAKE_WAY_SECONDS = 30.0
# The most changes that one new instance makes: patient, study, series, and itself.
_CHANGES_OF_AN_INSTANCE = 4


class ArchiveWriter:
    """One thread, and one for other forms; they make way for the extraction of frames."""

    def __init__(
        self,
        api: PropertyApi,
        archive: Archive,
        ledger: Ledger,
        catalogue: Catalogue,
        files: StoredFiles,
        scheduler: Scheduler,
        metrics: Metrics,
        clock: Clock,
        *,
        usually: ArchiveWrite = "arrival",
        revives: bool = False,
        form: FormMaker | None = None,
        retry_seconds: float = _RETRY_SECONDS,
        make_way_seconds: float = _MAKE_WAY_SECONDS,
        late_seconds: float = _POLL_SECONDS,
    ) -> None:
        """`usually` is when an instance is written whose rule does not say so. What was deleted and is sent again is
        written again if it `revives`. `form` is added to instances that a rule wants in a small form."""
        self._changes, self._index, self._archive, self._ledger = Changes(api), InstanceIndex(api), archive, ledger
        self._catalogue, self._files = catalogue, files
        self._metrics, self._clock, self._audit = metrics, clock, DeletionAudit(self._index, ledger, clock)
        self._usually, self._revives = usually, revives
        self._ownership = Ownership(api, ledger, clock, archive.name)
        self._reconstruction = Reconstruction(self._index, ledger)
        self._late = LateChanges(self._changes, late_seconds)
        self._announced, self._behind, self._has_begun = 0, 0, False
        self._worker = Worker(
            "archive", self._turn, task="archiving", on_error=self._failed, retry_seconds=retry_seconds
        )
        self._giving_way = GivingWay(scheduler, clock, make_way_seconds)
        self._forms: ArchiveForms | None = None
        if form is not None:
            parts = (archive, ledger, catalogue, files, metrics, clock)
            self._forms = ArchiveForms(*parts, form, self._giving_way, retry_seconds=retry_seconds)

    def start(self) -> None:
        for part in self._threads():
            part.start()

    def stop(self) -> None:
        """Returns at once."""
        for part in self._threads():
            part.stop()

    def join(self, seconds: float) -> None:
        """Wait up to `seconds` for the threads to end."""
        deadline = time.monotonic() + seconds
        for part in self._threads():
            part.join(max(0.0, deadline - time.monotonic()))

    def _threads(self) -> Iterator[Worker | ArchiveForms]:
        yield self._worker
        if self._forms is not None:
            yield self._forms

    def announce(self) -> None:
        """An instance was stored: there is something to read. Returns at once."""
        self._announced += 1
        self._worker.wake()

    def wake(self) -> None:
        """There is something new in the ledger. Returns at once."""
        for part in self._threads():
            part.wake()

    @property
    def behind(self) -> int:
        """Changes of Orthanc's log that were not looked at, and tasks that wait."""
        return self._behind + self._ledger.number_waiting

    @property
    def comparison(self) -> Comparison | None:
        """The comparison with Orthanc that is under way, because the ledger was lost."""
        return self._ledger.comparison

    def _failed(self, error: Exception) -> None:
        self._archive.failed(error)
        if isinstance(error, sqlite3.Error) and is_lost(error):
            self._has_begun = False
            with suppress(sqlite3.Error, OSError):  # a full disk; what comes next finds it closed, and ends here again
                self._ledger.set_aside()

    def _turn(self) -> float:
        position = self._look()
        tree = self._archive.tree()
        check_is_there(tree, self._ledger)
        self._ledger.resume(self._clock.time())
        if waiting := self._ledger.waiting(_BATCH):
            self._do(tree, waiting)
            pause = 0.0
        elif self._reconstruction.step(tree):
            pause = 0.0
        else:
            pause = self._read_on(tree, position)
        self._archive.answered()
        return pause

    def _do(self, tree: Tree, tasks: Sequence[Waiting]) -> None:
        """All may have been deleted: who opened an instance may be heard after who deleted it.

        A deleted instance that Orthanc has again was replaced: its new version is written instead.
        """
        current = self._end(tree, [one.orthanc_id for one in tasks])
        by_task: dict[Task, list[str]] = {"delete": [], "arrival": [], "write": []}
        for one in tasks:
            if one.orthanc_id in current and (one.task != "delete" or self._ledger.written(one.orthanc_id)):
                by_task[one.task].append(one.orthanc_id)
        for task, orthanc_ids in by_task.items():
            self._write(tree, orthanc_ids, "arrival" if task == "delete" else task)
        self._ledger.done(tasks)

    def _look(self) -> int:
        """The change to resume behind. What was there before the archive was set is exported by the command line."""
        last = self._changes.last()
        if not self._has_begun:
            self._ownership.settle(last, max(0, last - self._announced * _CHANGES_OF_AN_INSTANCE))
        position = self._ledger.position or 0
        if last < position:
            logger.warning("Orthanc's database is older than what was archived: resuming at its last change")
            position, self._has_begun = last, False
        if not self._has_begun:
            self._late.begin(position)
            self._has_begun = True
        self._behind = last - position
        return position

    def _read_on(self, tree: Tree, position: int) -> float:
        """The next page of the log; the bookmark moves when all of it is written."""
        page = self._changes.page(position)
        for batch in batches([orthanc_id for _, orthanc_id in page.new_instances], _BATCH):
            self._write(tree, self._not_written(batch))
        self._late.saw(page)
        self._ledger.move_to(page.last)
        self._behind = max(0, self._behind - (page.last - position))
        if not page.is_end:
            return 0.0
        # What was committed behind newer changes is found once: from then on it waits in the ledger.
        if late := self._late.find(page.last):
            self._ledger.add((orthanc_id, "arrival") for _, orthanc_id in late)
            return 0.0
        return _AUDIT_SECONDS if self._audit.step() else _POLL_SECONDS

    def _not_written(self, orthanc_ids: Sequence[str]) -> Sequence[str]:
        """Without those that are there as Orthanc has them: after a comparison, nearly all are."""
        noted = {name: found.attachment_uuid for name in orthanc_ids if (found := self._ledger.written(name))}
        written = {name: uuid for name, uuid in noted.items() if not self._ledger.is_postponed(name)}
        current = self._index.attachments(written) if written else {}
        return [name for name in orthanc_ids if name not in written or current.get(name) != written[name]]

    def _write(self, tree: Tree, orthanc_ids: Sequence[str], task: Task = "arrival") -> None:
        if not orthanc_ids:
            return
        self._giving_way.wait(self._worker)
        entries = {entry.instance.orthanc_id: entry for entry in self._wanted(orthanc_ids, task)}
        written = list(self._add(tree, entries, task))
        if self._worker.is_stopping:
            raise Stopping
        self._show(tree, written, task)
        for _, entry in written:
            self._finish(entry)

    def _add(self, tree: Tree, entries: Mapping[str, Entry], task: Task) -> Iterator[tuple[_Written, Entry]]:
        """Those that are in the archive now, for viewers to see later."""
        database = self._ledger.database
        sources = (source_of(entry, self._files, self._worker, database) for entry in entries.values())
        for outcome in tree.add(sources, revive=self._revives, derive=False) if entries else ():
            entry = entries[outcome.source.name]
            self._archive.forget(entry.instance)
            if not isinstance(outcome, Skipped):
                self._note(outcome, entry, task)
                yield outcome, entry
                continue
            if self._worker.is_stopping:  # then what could not be read is not skipped for good
                raise Stopping
            is_final = outcome.error is None or isinstance(outcome.error, FOR_GOOD)
            self._skip(entry.instance.orthanc_id, task, outcome.reason, is_final=is_final)

    def _note(self, outcome: _Written, entry: Entry, task: Task) -> None:
        """At once, as of what is not noted a deletion would be missed; it is tried again until all of it is done."""
        instance, is_made = entry.instance, isinstance(outcome, Added)
        if not self._ledger.is_postponed(instance.orthanc_id):
            self._ledger.postpone(instance.orthanc_id, task, self._clock.time())
        uuid = instance.attachment_uuid
        self._ledger.note(instance.orthanc_id, outcome.path, uuid, is_made=is_made)

    def _show(self, tree: Tree, written: Sequence[tuple[_Written, Entry]], task: Task) -> None:
        try:
            tree.derive_studies({file_name(outcome.path.study_instance_uid) for outcome, _ in written})
        except Unreachable:
            raise
        except Exception:  # of these studies, perhaps: they must not hold up others for ever
            for _, entry in written:
                self._ledger.postpone(entry.instance.orthanc_id, task, self._clock.time())
            raise

    def _finish(self, entry: Entry) -> None:
        """Viewers can see it; its other form, if it is to have one, takes long."""
        orthanc_id = entry.instance.orthanc_id
        if self._forms is not None and entry.treatment.has_small_form:
            self._forms.want(orthanc_id)
        else:
            self._metrics.count("archive_written")
        self._ledger.give_up(orthanc_id)

    def _skip(self, orthanc_id: str, task: Task, why: str, *, is_final: bool = False) -> None:
        """It is tried again later, unless that is of no use."""
        if not is_final and self._ledger.postpone(orthanc_id, task, self._clock.time()):
            logger.info("instance %s is not archived yet: %s", orthanc_id, why)
            return
        self._ledger.give_up(orthanc_id)
        self._metrics.count("archive_skipped")
        logger.warning("instance %s is not archived: %s", orthanc_id, why)

    def _wanted(self, orthanc_ids: Sequence[str], task: Task) -> Iterator[Entry]:
        """Those that the rules want there now, and that are not there yet."""
        for orthanc_id in orthanc_ids:
            entry = self._describe(orthanc_id, task)
            if entry is None:
                continue
            when = entry.treatment.archive or self._usually
            written = self._ledger.written(orthanc_id)
            is_there = written is not None and written.attachment_uuid == entry.instance.attachment_uuid
            is_there = is_there and not self._ledger.is_postponed(orthanc_id)
            is_opened = task == "write" or written is not None
            if not is_there and (when == "arrival" or (when == "demand" and is_opened)):
                yield entry
            else:
                self._ledger.give_up(orthanc_id, task)

    def _describe(self, orthanc_id: str, task: Task) -> Entry | None:
        """None for one that is gone, and for one that cannot be told now. Raises SourceError if Orthanc is at fault."""
        try:
            return self._catalogue.describe(orthanc_id)
        except (NotFound, SourceError) as error:
            self._changes.last()  # if its database does not answer, the bookmark must not move
            if orthanc_id in self._index.attachments([orthanc_id]):
                self._skip(orthanc_id, task, reason(error))
            else:
                self._ledger.give_up(orthanc_id)
            return None

    def _end(self, tree: Tree, orthanc_ids: Sequence[str]) -> Container[str]:
        """End those there that Orthanc has no more; which ones it has."""
        current = self._index.attachments(orthanc_ids)
        gone = [orthanc_id for orthanc_id in orthanc_ids if orthanc_id not in current]
        all_written = [written for orthanc_id in gone if (written := self._ledger.written(orthanc_id)) is not None]
        self._metrics.count("archive_deleted", end_all(tree, all_written))
        self._ledger.forget(gone)
        return current
