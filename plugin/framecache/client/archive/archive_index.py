"""The index of an archive on this machine: studies are read from the archive when a search or retrieval needs them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from framecache.bounded_dict import BoundedDict
from framecache.client.archive.records import keys_of, row_of
from framecache.client.collection import DicomJson, StoredInstance
from framecache.client.index.local_index import IndexedFile, LocalIndex
from framecache.dicom.identity import InstancePath
from framecache.dicomweb.attributes import Level
from framecache.dicomweb.query import Condition, Query
from framecache.errors import InstanceGone
from framecache.tree.errors import Unsettled
from framecache.tree.layout import file_name
from framecache.tree.tree import Tree
from framecache.tree.view import Shown

_READS_AT_ONCE, _MOST_VIEWS, _MOST_ATTEMPTS = 8, 8, 20
# What an archive's list of studies has (framecache.tree.qido): by another attribute no study can be excluded.
_LISTED = frozenset(
    {
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "ModalitiesInStudy",
        "SOPClassesInStudy",
        "ReferringPhysicianName",
        "StudyDescription",
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "StudyID",
    }
)
_Listed = Mapping[str, Any]  # of a study: "of", the digest of what it consists of, and "attributes"
_Shards = dict[str, tuple[str, Mapping[str, _Listed]]]  # by shard its name, and the studies in it


class ArchiveIndex:
    """Keeps a LocalIndex in step with an archive, as its derived lists describe it."""

    def __init__(self, tree: Tree, index: LocalIndex, refresh_seconds: float) -> None:
        """The lists are believed for `refresh_seconds`, then asked for again: one request if nothing changed."""
        self._tree, self._index, self._refresh_seconds = tree, index, refresh_seconds
        self._lock, self._refreshed, self._file = threading.RLock(), float("-inf"), index.database.file
        self._shards: _Shards = {}
        self._studies: dict[str, _Listed] = {}
        self._loaded: dict[str, str] = {}
        self._stale: dict[str, str] = {}  # studies that are not known to be read, and what they consist of
        self._views: BoundedDict[str, tuple[str, Mapping[InstancePath, Shown]]] = BoundedDict(_MOST_VIEWS)

    def search(self, query: Query, base_url: str) -> list[DicomJson]:
        """The results, after all studies that may match were read."""
        self.refresh(self._refresh_seconds)
        with self._lock:
            stale = [study for study in self._stale if _may_match(query, self._studies[study]["attributes"])]
        self._load(stale)
        return self._index.search(query, base_url)

    def find(self, study: str | None, series: str | None, instance: str | None) -> Iterator[StoredInstance]:
        """The instances of these UIDs. What is not known is looked for anew."""
        self.refresh(self._refresh_seconds)
        if study is not None and file_name(study) not in self._studies:
            self.refresh(0)
        self._load(list(self._stale) if study is None else [file_name(study)])
        found = list(self._index.find(study, series, instance)) if instance else None
        if found == []:
            self.refresh(0)
            self._doubt(file_name(study or ""))  # another process may have forgotten it
            self._load([file_name(study or "")])
            found = None
        return iter(found) if found is not None else self._index.find(study, series, instance)

    def shown(self, instance: StoredInstance) -> Shown:
        """The record of an instance with its metadata. Raises InstanceGone."""
        study = file_name(instance.path.study_instance_uid)
        with self._lock:
            known = self._views.get(study)
            if known is None or known[0] != instance.version:
                view = self._tree.derivation.view(study)
                known = self._views[study] = instance.version, {one.path: one for one in view.shown}
        if instance.path not in known[1]:
            raise InstanceGone("the archive does not show the instance any more")
        return known[1][instance.path]

    def refresh(self, seconds: float) -> None:
        """Ask for the lists, unless that was done within the last `seconds`; forget studies that are gone."""
        with self._lock:
            self._look_at_file()
            if time.monotonic() - self._refreshed < seconds:
                return
            shards = self._current_shards(self._shards)
            if shards != self._shards or not self._refreshed > float("-inf"):
                self._take(shards)
            self._refreshed = time.monotonic()

    def _look_at_file(self) -> None:
        """An index that was made anew, perhaps by another process, has nothing of what was read before."""
        if self._file != (file := self._index.database.file):
            self._file, self._refreshed = file, float("-inf")
            self._loaded.clear()

    def _take(self, shards: _Shards) -> None:
        known = self._studies.keys() | self._index.directories()
        if known - _studies(shards).keys():
            # A list may lack what is replaced meanwhile; and what another process has read since, it reads only once.
            shards = self._current_shards(shards)
        self._forget(known - _studies(shards).keys())
        self._shards, self._studies = shards, _studies(shards)
        self._stale = {study: one["of"] for study, one in self._studies.items() if self._loaded.get(study) != one["of"]}

    def _current_shards(self, before: _Shards) -> _Shards:
        """No shard is empty: one that was read as such was replaced after it was listed."""
        for _ in range(_MOST_ATTEMPTS):
            names = self._tree.index.shards()
            known = {shard: one for shard, one in before.items() if names.get(shard) == one[0]}
            changed = {shard: name for shard, name in names.items() if shard not in known}
            read = self._tree.index.read_shards(changed)
            if all(read.values()):
                return known | {shard: (changed[shard], listed) for shard, listed in read.items()}
        raise Unsettled("the archive's index is changed all the time, or is damaged: `framecache archive index`")

    def forget(self, study: str) -> None:
        """Read a study anew when it is wanted next."""
        with self._lock:
            self._forget({file_name(study)})
            self._views.pop(file_name(study), None)
            self._refreshed = float("-inf")

    def _forget(self, studies: set[str]) -> None:
        if not studies:
            return
        with self._index.writing() as writer:
            for study in studies:
                self._doubt(study)
                writer.remove_directory(study)

    def _doubt(self, study: str) -> None:
        with self._lock:
            self._loaded.pop(study, None)
            if study in self._studies:
                self._stale[study] = self._studies[study]["of"]

    def _load(self, studies: list[str]) -> None:
        if self._stale.keys().isdisjoint(studies):  # without a lock, as of nearly all that many threads ask for
            return
        with self._lock:
            unsure = {study: self._stale[study] for study in studies if study in self._stale}
            stale = {study: of for study, of in unsure.items() if self._version(study) != of}
            for study in unsure.keys() - stale.keys():
                del self._stale[study]
            with ThreadPoolExecutor(_READS_AT_ONCE, "framecache-archive-index") as pool:
                views = pool.map(self._tree.derivation.view, stale) if stale else iter(())
                for (study, of), view in zip(stale.items(), views, strict=True):
                    self._write(study, of, view.shown)

    def _version(self, study: str) -> str | None:
        """What the index has of a study; of another process, too, that used it before."""
        if study not in self._loaded:
            versions = {file.version for file in self._index.files(study).values()}
            if len(versions) == 1:
                self._loaded[study] = versions.pop()
        return self._loaded.get(study)

    def _write(self, study: str, of: str, shown: tuple[Shown, ...]) -> None:
        with self._index.writing() as writer:
            writer.remove_directory(study)
            for one in shown:
                name = f"{file_name(one.path.series_instance_uid)}:{file_name(one.path.sop_instance_uid)}"
                writer.put(study, name, IndexedFile(one.record.origin.size, of, ""), row_of(one))
        self._loaded[study] = of
        self._stale.pop(study, None)


def _studies(shards: _Shards) -> dict[str, _Listed]:
    return {study: one for _, listed in shards.values() for study, one in listed.items()}


def _may_match(query: Query, attributes: Mapping[str, Any]) -> bool:
    return all(_may_meet(one, attributes) for one in query.conditions)


def _may_meet(condition: Condition, attributes: Mapping[str, Any]) -> bool:
    attribute = condition.attribute
    if attribute.level is not Level.STUDY or attribute.keyword not in _LISTED:
        return True
    parts = [list(keys_of(one, attributes.get(one.hex_tag, {}))) for one in condition.path]
    if not condition.is_moment:
        return condition.criterion.matches(parts[0])
    return not all(parts) or condition.criterion.matches([day + clock for day in parts[0] for clock in parts[1]])
