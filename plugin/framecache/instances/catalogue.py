"""What is known of instances: Orthanc is asked once, then memory answers for as long as the stored file exists."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from framecache.bounded_dict import BoundedDict
from framecache.dicom import data_set, frame_index
from framecache.dicom.byte_reader import FileReader
from framecache.dicom.frame_index import BrokenIndex, IndexedFrames
from framecache.dicom.identity import InstancePath, is_identifier
from framecache.errors import InstanceGone, NotFound, SharedUids, SourceError
from framecache.instances.entry import USUAL_TREATMENT, Entry
from framecache.orthanc.instance import Instance, beginning_of, stored_path
from framecache.orthanc.instance_index import InstanceIndex
from framecache.policy.policy import Treatment
from framecache.ports import Clock, OrthancApi
from framecache.store.store import Store
from framecache.threads import Desk

_MOST_ENTRIES = 50_000
_MOST_SERIES = 10_000
_LOOKUPS = 3


class Catalogue:
    """From UIDs to entries. Lookups that memory cannot answer run on the desk's threads."""

    def __init__(
        self,
        api: OrthancApi,
        store: Store,
        desk: Desk,
        clock: Clock,
        storage_directory: Path,
        revalidate_seconds: float,
        *,
        decide: Callable[[Instance], Treatment] = lambda _: USUAL_TREATMENT,
        back_desk: Desk | None = None,
        most_entries: int = _MOST_ENTRIES,
    ) -> None:
        """`decide` says what the rules want of an instance: once whenever Orthanc describes it.

        At the `back_desk` waits what administrators ask for: no viewer's lookup waits behind a large purge.
        """
        self._decide, self._back_desk = decide, back_desk or desk
        self._index, self._store, self._desk, self._clock = InstanceIndex(api), store, desk, clock
        self._storage_directory, self._revalidate_seconds = storage_directory, revalidate_seconds
        self._most_entries, self._entries = most_entries, OrderedDict[InstancePath, Entry]()
        self._paths: dict[str, InstancePath] = {}
        self._touched: dict[InstancePath, float] = {}
        self._studies = BoundedDict[str, str](_MOST_SERIES)
        self._lock = threading.Lock()
        # Whether Orthanc itself keeps the files. It unlinks them as it deletes; a storage plugin may do so later.
        self.trusts_files = True

    @property
    def number_of_entries(self) -> int:
        """Instances that memory holds an entry of."""
        return len(self._paths)

    def lookup(self, path: InstancePath) -> Entry:
        """The instance under these three UIDs, as it is now, for who views it. Raises NotFound, SourceError."""
        entry = self.current(path)
        self._touched[path] = self._clock.time()
        return entry

    def current(self, path: InstancePath) -> Entry:
        """The same for others. Raises NotFound, SourceError."""
        entry = self._entries.get(path)
        if entry is None or not self.is_current(entry):
            entry = self._desk.call(lambda: self._load(path))
        return entry

    def has_file(self, attachment_uuid: str) -> bool:
        """Whether the stored file is there, where that proves that Orthanc has it."""
        return self.has_files((attachment_uuid,))

    def has_files(self, attachment_uuids: Iterable[str]) -> bool:
        """Whether all of these are. For a thousand, `os.path.exists` would take twice as long."""
        paths = map(partial(stored_path, self._storage_directory), attachment_uuids)
        return self.trusts_files and all(os.access(path, os.F_OK) for path in paths)

    def is_current(self, entry: Entry) -> bool:
        """Whether Orthanc still holds this version.

        Orthanc unlinks a stored file inside the transaction that deletes or replaces it, before event and
        answer; events come late, or not at all.
        """
        if entry.proof_path is None or not self.trusts_files:
            return self._clock.monotonic() - entry.checked_at < self._revalidate_seconds
        return self._has_file(entry)

    def still_holds(self, entry: Entry) -> bool:
        """The same, asked of Orthanc where no file tells. Raises SourceError."""
        if entry.proof_path is not None and self.trusts_files:
            return self._has_file(entry)
        try:
            return self.describe(entry.instance.orthanc_id).instance == entry.instance
        except (NotFound, InstanceGone):
            return False

    def _has_file(self, entry: Entry) -> bool:
        if entry.proof_path is None:
            return False
        try:
            return os.stat(entry.proof_path).st_size == entry.instance.stored_size
        except OSError:
            return False

    def _load(self, path: InstancePath) -> Entry:
        entry = self._entries.get(path)
        if entry is not None and self.is_current(entry):
            return entry  # another thread was faster
        return self._from_record(path) or self._look_up(path)

    def _look_up(self, path: InstancePath) -> Entry:
        for _ in range(_LOOKUPS - 1):
            with contextlib.suppress(InstanceGone):  # replaced between the two questions
                return self._enter(self._find(path))
        return self._enter(self._find(path))

    def _from_record(self, path: InstancePath) -> Entry | None:
        """What an earlier run of the plugin knew, if the stored file proves that it is still true."""
        instance = self._recorded(path)
        if instance is None or instance.stored_size != instance.file_size:
            return None  # compressed by Orthanc: what the file holds cannot be read from it
        entry = self._new_entry(instance)
        return self._keep(entry) if self.trusts_files and self._has_file(entry) else None

    def _recorded(self, path: InstancePath) -> Instance | None:
        """A record of another version of this plugin may lack what rules decide by: Orthanc is asked then."""
        content = self._store.records.get(path)
        try:
            return Instance.from_json(content) if content else None
        except SourceError:
            return None

    def _find(self, path: InstancePath) -> Instance:
        found = self._index.under(path)
        if not found:
            raise NotFound("there is no such instance")
        self._refuse_shared_uids([instance.orthanc_id for instance in found])
        return found[0]

    def first_instance(self, study_instance_uid: str, series_instance_uid: str) -> InstancePath:
        """The instance that stands for a series: the first by Orthanc ID, as for the stock plugin. Raises NotFound."""
        if not (is_identifier(study_instance_uid) and is_identifier(series_instance_uid)):
            raise NotFound("there is no such series")
        return self._desk.call(lambda: self._first_instance(study_instance_uid, series_instance_uid))

    def _first_instance(self, study_instance_uid: str, series_instance_uid: str) -> InstancePath:
        first = self._index.first_of_series(study_instance_uid, series_instance_uid)
        return self.describe(first).instance.path

    def members(self, study_instance_uid: str, series_instance_uid: str | None) -> list[str]:
        """The Orthanc IDs of the instances of a study, or of one series of it. Raises NotFound."""
        _check(study_instance_uid, series_instance_uid)
        return self._desk.call(lambda: self._index.within(study_instance_uid, series_instance_uid))

    def members_by_series(self, study_instance_uid: str, series_instance_uid: str | None) -> list[str]:
        """The same, series after series."""
        _check(study_instance_uid, series_instance_uid)
        series = self._desk.call(lambda: self._index.by_series(study_instance_uid, series_instance_uid))
        return list(chain.from_iterable(series))

    def number_of_members(self, study_instance_uid: str, series_instance_uid: str | None) -> int:
        """How many these are. Raises NotFound."""
        _check(study_instance_uid, series_instance_uid)
        return self._desk.call(lambda: self._index.number_within(study_instance_uid, series_instance_uid))

    def member(self, orthanc_id: str) -> Entry:
        """One of those, as it is now. Raises NotFound, SharedUids, SourceError."""
        path = self._paths.get(orthanc_id)
        entry = self._entries.get(path) if path else None
        if entry is not None and self.is_current(entry):
            return entry
        return self._desk.call(lambda: self.describe(orthanc_id))

    def describe(self, orthanc_id: str) -> Entry:
        """The instance with this Orthanc ID, as it is now. Raises NotFound, SharedUids, SourceError."""
        found = self._index.with_uid_of(orthanc_id)
        instance = next((one for one in found if one.orthanc_id == orthanc_id), None)
        if instance is None:
            raise NotFound("there is no such instance")
        self._refuse_shared_uids([one.orthanc_id for one in found if one.path == instance.path])
        placed = replace(instance, study_id=self._study_of(instance.series_id))
        known = self._entries.get(instance.path)
        if known and known.instance == placed:
            known.instance, known.treatment = placed, self._decide(placed)
            return known
        return self._enter(placed)

    def _refuse_shared_uids(self, orthanc_ids: Sequence[str]) -> None:
        """Two patients may own the same UIDs, and no URL tells which is meant: what is known of either is forgotten.

        Raises SharedUids. Else a viewer would get frames of whichever was looked at last.
        """
        if len(orthanc_ids) > 1:
            for orthanc_id in orthanc_ids:
                self.forget(orthanc_id)
            self._store.versions.remove(self._store.versions.of(orthanc_ids))
            raise SharedUids

    def _study_of(self, series_id: str) -> str:
        """The Orthanc ID of the study: no answer about an instance has it, and the one of a series never changes."""
        if not series_id:
            return ""
        study_id = self._studies.get(series_id)
        if study_id is None:
            study_id = self._index.study_of(series_id)
            with self._lock:
                self._studies[series_id] = study_id
        return study_id

    def _enter(self, instance: Instance) -> Entry:
        entry = self._new_entry(instance)
        if not self._has_file(entry):
            self._confirm(instance)
            # Kept elsewhere only the REST API can read it; what is cut short it may not read at all.
            entry.stored_path, entry.proof_path = beginning_of(instance, entry.stored_path), None
        elif instance.stored_size != instance.file_size:
            entry.stored_path = None  # compressed by Orthanc
        elif entry.stored_path and not instance.transfer_syntax_uid:
            entry.instance = replace(instance, transfer_syntax_uid=_stored_transfer_syntax(entry.stored_path))
            entry.treatment = self._decide(entry.instance)
        return self._keep(entry)

    def _confirm(self, instance: Instance) -> None:
        """No file where it should be: is it kept elsewhere, or was it replaced since Orthanc told of it?

        Raises InstanceGone, NotFound. An entry without a file is trusted for a while, so it had better be true.
        """
        if self._index.attachment(instance.orthanc_id) != instance.attachment_uuid:
            raise InstanceGone("the instance was replaced meanwhile")

    def _new_entry(self, instance: Instance) -> Entry:
        path, treatment = stored_path(self._storage_directory, instance.attachment_uuid), self._decide(instance)
        # Where frames are to be copied an index of before is left alone.
        index = self._stored_index(instance) if treatment.mode != "copy" else None
        entry = Entry(instance, path, self._clock.monotonic(), treatment, index=index, proof_path=path)
        for row in self._store.blocks.of(instance):
            entry.add(row)
        return entry

    def _stored_index(self, instance: Instance) -> IndexedFrames | None:
        content = self._store.blocks.index(instance)
        try:
            return frame_index.unpack(content, instance.attachment_uuid, instance.file_size) if content else None
        except BrokenIndex:
            return None  # it is made anew when the instance is filled

    def _keep(self, entry: Entry) -> Entry:
        with self._lock:
            old = self._entries.pop(entry.instance.path, None)
            if old is not None and old.instance == entry.instance:
                old.checked_at, old.stored_path, old.proof_path = entry.checked_at, entry.stored_path, entry.proof_path
                old.treatment = entry.treatment
                entry = old
            self._entries[entry.instance.path] = entry
            self._paths[entry.instance.orthanc_id] = entry.instance.path
            while len(self._entries) > self._most_entries:
                _, dropped = self._entries.popitem(last=False)
                self._paths.pop(dropped.instance.orthanc_id, None)
        return entry

    def forget(self, orthanc_id: str) -> None:
        """Drop what memory holds of an instance."""
        with self._lock:
            path = self._paths.pop(orthanc_id, None)
            if path is not None:
                self._entries.pop(path, None)

    def forget_path(self, path: InstancePath) -> None:
        """The same, by its UIDs: what they are of now is looked up anew."""
        with self._lock:
            entry = self._entries.pop(path, None)
            if entry is not None:
                self._paths.pop(entry.instance.orthanc_id, None)

    def forget_stale(self, orthanc_ids: Sequence[str]) -> None:
        """Drop from memory and store what is not Orthanc's present version of these. Raises SourceError, StoreError.

        An overwritten instance keeps its Orthanc ID, and its new frames may be here already, or come meanwhile. So
        what is kept is looked at first: Orthanc's answer is no older, and what is not in it will never come back.
        """
        kept = self._store.versions.of(orthanc_ids)
        current = self._index.attachments(orthanc_ids)
        for orthanc_id in orthanc_ids:
            self._forget_unless(orthanc_id, current.get(orthanc_id))
        deleted = {name: uuids for name, uuids in kept.items() if name not in current}
        self._store.versions.remove(deleted, "deleted")
        replaced = {name: set(uuids) - {current[name]} for name, uuids in kept.items() if name in current}
        self._store.versions.remove(replaced, "replaced")

    def _forget_unless(self, orthanc_id: str, attachment_uuid: str | None) -> None:
        with self._lock:
            path = self._paths.get(orthanc_id)
            entry = self._entries.get(path) if path else None
        if entry is not None and entry.instance.attachment_uuid != attachment_uuid:
            self.forget(orthanc_id)

    def take_touched(self) -> dict[InstancePath, float]:
        """When instances were last asked for, since this was last called."""
        touched, self._touched = self._touched, {}
        return touched.copy()  # a request that came before the exchange may still be adding to it

    def on_desk(self, function: Callable[[], Any]) -> Any:
        """Run something that needs the store, and may take long."""
        return self._back_desk.call(function)


def _stored_transfer_syntax(path: str) -> str:
    """Orthanc notes no transfer syntax that it does not know, such as HTJ2K in 1.12.7."""
    with FileReader(path) as reader:
        return data_set.read_transfer_syntax_uid(reader)


def _check(*uids: str | None) -> None:
    """Raises NotFound for what would be a wildcard or a list in a query to Orthanc."""
    if not all(uid is None or is_identifier(uid) for uid in uids):
        raise NotFound("there is no such study or series")
