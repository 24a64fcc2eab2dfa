"""Reads all of an archive, compares it with what its records say, and repairs what can be repaired."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Literal

from framecache.errors import FrameCacheError, reason
from framecache.tree import layout
from framecache.tree.derivation import Derivation
from framecache.tree.errors import Damaged, Missing, Unreachable
from framecache.tree.forms import Forms
from framecache.tree.frame_reader import FrameReader
from framecache.tree.frame_writer import FrameWriter
from framecache.tree.json_object import decompressed
from framecache.tree.layout import Layout, changes_of_study
from framecache.tree.log import Log, StudyLog
from framecache.tree.objects import Objects
from framecache.tree.placing import placing
from framecache.tree.publication import bulk_data_names
from framecache.tree.record import Record
from framecache.tree.source import Source, opened
from framecache.tree.view import View, standings

_FRAMES_AT_ONCE = 16
_DAMAGED = "the entry cannot be read, or is not what it is named by: add the files of its series again"
_DAMAGED_CHANGE = "the deletion or correction cannot be read, so nothing of the study is shown: make it again"
_DOUBTFUL = "it is not shown, as its latest version may be in an entry that cannot be read: add its file again"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be: an `entry` of the log, `frames`, `bulk data`, a `place` of the web view,
    or a `derived` file; whether it `is_repaired`, or will be before the next finding of another study."""

    kind: Literal["entry", "frames", "bulk data", "place", "derived"]
    key: str
    text: str
    is_repaired: bool = False


# Where to read the source of a record again; None if it is not at hand.
FindSource = Callable[[Record], Source | None]


@dataclass(frozen=True, slots=True)
class Verification:
    """Raises Unreachable."""

    objects: Objects
    log: Log
    derivation: Derivation
    reader: FrameReader
    writer: FrameWriter
    forms: Forms
    pool: Executor

    def verify(self, study: str, find_source: FindSource) -> Iterator[Finding]:
        """All of a study, by its file name: entries, frames and bulk data of live records, places of the web view.

        What is missing or damaged is written anew from its source, if `find_source` finds it.
        """
        log, view = self.log.read_now(study), self.derivation.view(study)
        yield from _unreadable(log, view)
        doubtful = {one.record.path for one in view.doubtful}
        for record in _live(log):
            if record.path not in doubtful:
                yield from self._verify(record, find_source)
        yield from self._verify_places(study)
        derived = [*self.objects.listed(f"studies/{study}"), *self.objects.listed(layout.summaries_of_study(study))]
        derived += [one for one in [self.objects.head(Layout(self.objects.is_folder).study(study))] if one]
        yield from self._verify_derived({one.key for one in derived if _is_derived(one.key)})

    def verify_index(self) -> Iterator[Finding]:
        """The list of all studies; what is damaged has to be made anew."""
        studies = self.objects.head(Layout(self.objects.is_folder).studies)
        found = [*self.objects.listed("index"), *([studies] if studies else [])]
        yield from self._verify_derived({listed.key for listed in found})

    def _verify_derived(self, keys: set[str]) -> Iterator[Finding]:
        """Remove those that cannot be read: gzip has a checksum."""
        for key in sorted(keys):
            try:
                decompressed(self.objects.read(key))
            except Missing:  # another writer has derived it anew meanwhile, under another name
                continue
            except Damaged as error:
                self.objects.delete([key])
                yield Finding("derived", key, reason(error), is_repaired=True)

    def _verify(self, record: Record, find_source: FindSource) -> Iterator[Finding]:
        key = layout.frames_prefix(record.path)
        wrong = self._what_is_wrong(record)
        if wrong:
            yield Finding("frames", key, wrong, is_repaired=self._repair(record, find_source))
        for form in self.forms.remove_damaged(record):
            yield Finding("frames", form, "frames in another form were damaged: they are removed", is_repaired=True)
        study = layout.file_name(record.path.study_instance_uid)
        for name in sorted(bulk_data_names(record)):
            key = layout.bulk_data(study, name)
            if not self._is_whole(key, name):
                self.objects.delete([key])
                is_repaired = self._repair(record, find_source) and self._is_whole(key, name)
                yield Finding("bulk data", key, "it is missing, or is not what it is named by", is_repaired)

    def _what_is_wrong(self, record: Record) -> str:
        try:
            for first in range(1, record.number_of_frames + 1, _FRAMES_AT_ONCE):
                last = min(first + _FRAMES_AT_ONCE, record.number_of_frames + 1)
                self.reader.read(record, range(first, last))
        except Unreachable:
            raise
        except FrameCacheError as error:
            return reason(error)
        return ""

    def _is_whole(self, key: str, name: str) -> bool:
        checksum = hashlib.sha256()
        try:
            if not layout.is_video(name):
                return layout.digest(layout.bulk_data_within(self.objects.read(key))) == name
            for chunk in self.objects.chunks(key):
                checksum.update(chunk)
        except Missing:
            return False
        return checksum.hexdigest() == name.partition(".")[0]

    def _repair(self, record: Record, find_source: FindSource) -> bool:
        """Write the frames that are wrong under the version's checksum, where readers find them, too."""
        source = find_source(record)
        if source is None:
            return False
        try:
            with opened(source) as instance:
                if instance.origin.sha256 != record.origin.sha256:
                    return False
                self.writer.rewrite(instance, together=record.together)
        except Unreachable:
            raise
        except (FrameCacheError, OSError):
            return False
        return not self._what_is_wrong(record)

    def _verify_places(self, study: str) -> Iterator[Finding]:
        """Whether web servers send the frames of what is shown; they are put there if not."""
        publication = self.derivation.publication
        for shown in self.derivation.view(study).shown:
            if not publication.is_published(shown):
                with placing(self.objects, study) as mark:
                    mark.begin()
                    publication.publish(shown, [shown.record])
                    self.derivation.derive(study)
                is_repaired = publication.is_published(shown)
                yield Finding("place", layout.frames_prefix(shown.path), "other frames were there", is_repaired)


def _unreadable(log: StudyLog, view: View) -> Iterator[Finding]:
    """Entries and changes, and instances that are not shown because of an entry; because of a change, all are not."""
    for key in log.damaged:
        yield Finding("entry", key, _DAMAGED_CHANGE if key.startswith(f"{changes_of_study(log.study)}/") else _DAMAGED)
    for shown in () if log.has_damaged_change else view.doubtful:
        yield Finding("entry", layout.frames_prefix(shown.path), _DOUBTFUL)


def _is_derived(key: str) -> bool:
    return "/frames/" not in key and "/bulkdata/" not in key


def _live(log: StudyLog) -> list[Record]:
    return [one.live for one in standings(log.records, log.deletions).values() if one.live]
