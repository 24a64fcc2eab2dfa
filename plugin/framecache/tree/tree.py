"""The archive as a whole: what writers, readers and administrators do with it.

with Tree.open("s3://bucket/archive") as tree:
    for outcome in tree.add(map(Source.file, paths)): ...
    tree.frame(InstancePath(study, series, instance), 1)
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

from framecache.closing import Closing
from framecache.dicom.identity import InstancePath
from framecache.errors import NotFound
from framecache.tree import changes, layout
from framecache.tree.changes import Change, Correction, Dead, Deletion, Retraction
from framecache.tree.collection import Collected, Collection
from framecache.tree.derivation import Derivation
from framecache.tree.errors import ArchiveError, Damaged, Missing
from framecache.tree.forms import FormMaker, Forms
from framecache.tree.frame_reader import FrameReader
from framecache.tree.frame_tables import FrameTables
from framecache.tree.frame_writer import FrameWriter
from framecache.tree.headers import Headers
from framecache.tree.json_object import canonical, decompressed
from framecache.tree.layout import FORMAT_KEY, Layout, file_name
from framecache.tree.log import Log
from framecache.tree.objects import Objects, open_objects
from framecache.tree.publication import Publication
from framecache.tree.record import Record
from framecache.tree.source import Source
from framecache.tree.study_index import StudyIndex
from framecache.tree.verification import Finding, FindSource, Verification
from framecache.tree.view import Conflict, Shown, standings
from framecache.tree.writer import RECORDS_AT_ONCE, TOGETHER_FROM, Outcome, Writer

_THREADS_ON_FOLDER, _THREADS_ON_BUCKET = 8, 16
_BULK_DATA = re.compile(r"[0-9a-f]{64}(\.[0-9a-z]{1,8})?")
GRACE = timedelta(days=1)
_FORMAT = {"format": layout.FORMAT, "version": layout.FORMAT_VERSION}
_JSON = Headers("application/json")


class Tree(Closing):
    """Safe for several threads, and for any number of writers in other processes and on other machines.

    All methods raise Unreachable if the folder or bucket does not answer, and NotFound for what the archive does not
    show. UIDs are as in the files; corrections are applied to all that is read, but for `record`.
    """

    def __init__(self, objects: Objects, threads: int | None = None) -> None:
        most = threads or (_THREADS_ON_FOLDER if objects.is_folder else _THREADS_ON_BUCKET)
        self._pool = ThreadPoolExecutor(most, "frame-cache-archive")
        self.objects, self.layout, self._has_format = objects, Layout(objects.is_folder), False
        self.log = Log(objects, self._pool)
        publication = Publication(objects, self._pool)
        self.derivation = Derivation(objects, self.layout, self.log, publication, self._pool)
        self.index = StudyIndex(objects, self.layout, self._pool)
        self._forms = Forms(objects)
        self._reader = FrameReader(objects, self._pool, FrameTables(objects))
        self._frames = FrameWriter(objects, self._pool)

    @classmethod
    def open(
        cls, url: str, *, options: Mapping[str, Any] | None = None, threads: int | None = None, writes: bool = False
    ) -> Self:
        """The archive at `file:///…`, `s3://bucket/prefix`, `gs://…`, `az://…` or `memory://`, empty if it is new.

        Who `writes` mends an `archive.json` that is cut off, as a loss of power may leave it. Raises ArchiveError if
        the URL cannot be used, or if what is there has another format or version, or is cut off.
        """
        return cls.of_objects(open_objects(url, options), threads=threads, writes=writes)

    @classmethod
    def of_objects(cls, objects: Objects, *, threads: int | None = None, writes: bool = False) -> Self:
        """The archive that consists of these objects. Raises ArchiveError as `open`."""
        tree = cls(objects, threads)
        try:
            tree._check_format(writes=writes)
        except BaseException:
            tree.close()
            raise
        return tree

    def close(self) -> None:
        """Wait for what is being written, and end the threads."""
        self._pool.shutdown()

    def abandon(self) -> None:
        """End the threads without what waits for them: Python would wait for all of it when it ends."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    # Writing

    def add(
        self,
        sources: Iterable[Source],
        *,
        together_from: int = TOGETHER_FROM,
        revive: bool = False,
        derive: bool = True,
        records_at_once: int = RECORDS_AT_ONCE,
    ) -> Iterator[Outcome]:
        """Add stored files; one outcome for each, as soon as its record is written. Go on to the end, or call `derive`
        for the studies: derived files are made then, unless `derive` is False.

        An instance with `together_from` frames or more is kept in one object. One that was deleted is skipped, unless
        `revive`. What was added before, with the same bytes, is not written again. Nothing is seen of an instance
        before its record is written, with `records_at_once`: so many instances an interrupted run has to do again.
        """
        self._keep_format()
        writer = Writer(self.objects, self.log, self._frames, self._pool, together_from, revive, records_at_once)
        yield from writer.add(sources)
        if derive:
            self.derive_studies(writer.studies)

    def add_form(self, source: Source, maker: FormMaker) -> bool:
        """Add the frames of a source that was added in another form, if `maker` wants them; whether that was done.

        Raises SourceError, CodecError, Overloaded; nothing is written then.
        """
        return self._forms.write(source, maker)

    def delete(self, study: str, series: str = "", instance: str = "", *, reason: str) -> int:
        """Delete what is shown under these UIDs; how many instances. Raises NotFound if there are none."""
        view = self.derivation.view(file_name(study))
        found = [shown for shown in (*view.shown, *view.doubtful) if _is_below(shown.path, series, instance)]
        if not found:
            self._catch_up(file_name(study))
            raise NotFound("the archive has no such instances")
        return self._delete([shown.record for shown in found], study, reason)

    def _delete(self, found: Sequence[Record], study: str, reason: str) -> int:
        homes: dict[str, list[Dead]] = {}
        for record in found:
            home = record.path
            dead = Dead(home.series_instance_uid, home.sop_instance_uid, record.version)
            homes.setdefault(home.study_instance_uid, []).append(dead)
        for home_study, all_dead in homes.items():
            self._write_change(Deletion(home_study, reason, tuple(all_dead)), home_study)
        self.derive_studies({file_name(study), *map(file_name, homes)})
        return len(found)

    def end(self, study: str, is_ended: Callable[[Record], bool], *, reason: str) -> int:
        """Delete those whose files have this study's UID, wherever corrections show them; how many."""
        found = [record for record in self.records(study) if is_ended(record)]
        if not found:
            self._catch_up(file_name(study))
        return self._delete(found, study, reason) if found else 0

    def _catch_up(self, study: str) -> None:
        """An earlier attempt may have written a change, and then lost the archive before anybody was shown it."""
        if self.log.names_of_changes(study).changes:
            self.derive_studies({study})

    def correct(self, correction: Correction) -> str:
        """Lay a correction over the records, as the latest; its digest, by which it can be taken back.

        It is about instances by the UIDs of their files. `sequence` and `after` are set here.
        """
        study = file_name(correction.study)
        log = self.log.read_now(study)
        known = log.corrections
        # Of those that were taken back, too: the same one made again would have the name of the first.
        latest = max((other.sequence for other in log.changes.values() if isinstance(other, Correction)), default=0)
        correction = replace(correction, sequence=latest + 1, after=tuple(known))
        # First where it only hints that something may come; it counts once it is in the log of its own study.
        for place in dict.fromkeys((correction.to_study, correction.study)):
            if place:
                self._write_change(correction, place)
        self.derive_studies({study})
        return changes.name_of_change(correction)

    def retract(self, study: str, correction: str, *, reason: str) -> None:
        """Take a correction of this study, by its digest, back. Raises NotFound if there is none."""
        if correction not in self.log.read_now(file_name(study)).corrections:
            self._catch_up(file_name(study))
            raise NotFound("the study has no such correction")
        self._write_change(Retraction(study, reason, correction), study)
        self.derive_studies({file_name(study)})

    def derive(self, *studies: str, anew: bool = False) -> None:
        """Make the derived files of these studies what they should be, or those of all; `anew` without looking."""
        self.derive_studies(self._named(studies), anew=anew)

    def derive_studies(self, studies: set[str], *, anew: bool = False) -> None:
        """The same for studies by their file names, and for those that show instances of theirs."""
        affected = studies.union(*(self._targets(study) for study in studies))
        for study in sorted(affected):
            self.derivation.derive(study, anew=anew)
        if affected:
            self.index.update({layout.shard(study) for study in affected})
            self.objects.settle()

    # Administration

    def verify(self, *studies: str, find_source: FindSource = lambda _: None) -> Iterator[Finding]:
        """Read all of these studies, or of all, and compare; what is damaged is repaired from its source, and derived
        files are made anew if they are not what they should be. The findings, as they are found."""
        reader = FrameReader(self.objects, self._pool, FrameTables(self.objects))  # which has kept nothing
        parts = (reader, self._frames, self._forms, self._pool)
        verification = Verification(self.objects, self.log, self.derivation, *parts)
        for study in sorted(self._named(studies)):
            yield from verification.verify(study, find_source)
            self.derive_studies({study})
        yield from verification.verify_index()
        self.index.update_all()

    def gc(self, grace: timedelta = GRACE) -> Collected:
        """Merge entries, and delete what nothing names, if it is older than `grace`; give 0 only if nobody writes."""
        collection = Collection(self.objects, self.log, self.derivation, self._pool, grace)
        live: dict[str, list[Record]] = {sha256: [] for sha256 in self.objects.folders("versions")}
        is_whole = True
        # A writer that was killed early left no log.
        for study in sorted(self._named(()).union(*map(self.objects.folders, ("studies", "contested")))):
            collection.collect(study)
            log = self.log.read_now(study)
            is_whole = is_whole and not log.damaged
            for standing in standings(log.records, log.deletions).values():
                if standing.live and standing.live.origin.sha256 in live:
                    live[standing.live.origin.sha256].append(standing.live)
        if is_whole:  # nobody knows which ones a damaged entry names
            collection.collect_versions(live)
        self.derive_studies(collection.result.studies)
        return collection.result

    # Reading

    def is_there(self) -> bool:
        """Whether anybody has begun to write it."""
        return self.objects.head(FORMAT_KEY) is not None

    def studies(self) -> list[dict[str, Any]]:
        """What QIDO-RS answers of each study."""
        return [attributes for _, attributes in sorted(self.index.studies().items())]

    def series(self, study: str) -> list[dict[str, Any]]:
        """What QIDO-RS answers of each series of a study."""
        return self._derived(self.layout.series_of_study(file_name(study)))

    def instances(self, study: str, series: str) -> list[dict[str, Any]]:
        """What QIDO-RS answers of each instance of a series."""
        return self._derived(self.layout.instances_of_series(file_name(study), file_name(series)))

    def series_metadata(self, study: str, series: str) -> list[dict[str, Any]]:
        """The metadata of each instance of a series."""
        return self._derived(self.layout.series_metadata(file_name(study), file_name(series)))

    def shown(self, path: InstancePath) -> Shown:
        """The instance that is shown under these UIDs, by what the log says now.

        Raises Damaged if it may have been replaced, corrected or deleted since, by an entry that cannot be read.
        """
        study = file_name(path.study_instance_uid)
        log = self.log.read_now(study, file_name(path.series_instance_uid))
        if not log.damaged and not log.corrections and not log.origins:
            known = standings(log.records, log.deletions).get((path.series_instance_uid, path.sop_instance_uid))
            if known and known.live and known.live.path == path:
                return Shown(known.live, path, {})
            raise NotFound("the archive has no such instance")
        view = self.derivation.view(study)
        for shown in view.shown:
            if shown.path == path:
                return shown
        if any(shown.path == path for shown in view.doubtful):
            raise Damaged(f"an entry of the log cannot be read, which may have replaced, corrected or deleted {path}")
        raise NotFound("the archive has no such instance")

    def record(self, path: InstancePath) -> Record:
        """The record of the instance that is shown under these UIDs: what it was made of, and its frames."""
        return self.shown(path).record

    def records(self, study: str) -> list[Record]:
        """The live records of all instances whose files have this study's UID, whatever corrections lie on top."""
        return self._live_records(file_name(study))

    def records_by_study(self, after: str = "") -> Iterator[tuple[int, str, list[Record]]]:
        """The same of each study, in the order of their file names, from the one after `after`: how many studies are
        still to come, its file name, its records."""
        studies = [study for study in self.objects.folders("log") if study > after]
        for number, study in enumerate(studies, 1):
            yield len(studies) - number, study, self._live_records(study)

    def _live_records(self, study: str) -> list[Record]:
        log = self.log.read_now(study)
        return [one.live for one in standings(log.records, log.deletions).values() if one.live]

    def record_of_file(self, path: InstancePath) -> Record:
        """The live record of the file that has these UIDs, wherever corrections show it."""
        log = self.log.read_now(file_name(path.study_instance_uid), file_name(path.series_instance_uid))
        known = standings(log.records, log.deletions).get((path.series_instance_uid, path.sop_instance_uid))
        if known is None or known.live is None or known.live.path != path:
            raise NotFound("the archive has no such instance")
        return known.live

    def metadata(self, path: InstancePath) -> dict[str, Any]:
        """The DICOM JSON object of an instance."""
        return {tag: json.loads(element) for tag, element in self.shown(path).metadata().items()}

    def frame(self, path: InstancePath, number: int) -> memoryview:
        """Frame `number`, from 1, in the transfer syntax that the record has for frames."""
        return self.frames(path, [number])[0]

    def frames(self, path: InstancePath, numbers: Sequence[int]) -> list[memoryview]:
        """Frames in this order. Raises Damaged if one is not what was stored."""
        return self.frames_of(self.record(path), numbers)

    def frames_of(self, record: Record, numbers: Sequence[int]) -> list[memoryview]:
        """The same for whoever keeps the record: no list is asked for then."""
        return self._reader.read(record, numbers)

    def begin_frames(self, record: Record, numbers: Sequence[int]) -> Callable[[], list[memoryview]]:
        """The same for whoever uses others meanwhile: what is returned waits for them, and raises."""
        return self._reader.begin(record, numbers)

    def frames_in(self, record: Record, transfer_syntax_uid: str, numbers: Sequence[int]) -> list[memoryview]:
        """Frames in another form than the stored one. Raises NotFound if the archive has none in it, Damaged."""
        return self._forms.read(record, transfer_syntax_uid, numbers)

    def has_form(self, record: Record, transfer_syntax_uid: str) -> bool:
        """Whether there are frames in this other form, whole or not."""
        return self._forms.has(record, transfer_syntax_uid)

    def frame_lengths(self, record: Record) -> list[int]:
        """The bytes of each frame. Raises Damaged."""
        return self._reader.lengths(record)

    def bulk_data(self, study: str, uri: str) -> bytes:
        """The value that a BulkDataURI of this study's metadata names. Raises Damaged if it is not the one stored."""
        name = uri.removeprefix("bulkdata/")
        if not _BULK_DATA.fullmatch(name):
            raise NotFound("this is no bulk data of an archive")
        try:
            body = self.objects.read(layout.bulk_data(file_name(study), name))
        except Missing:
            raise NotFound("the archive has no such bulk data") from None
        value = body if layout.is_video(name) else layout.bulk_data_within(body)
        if layout.digest(value) != name.partition(".")[0]:
            raise Damaged("the bulk data is not what was stored")
        return value

    def conflicts(self, study: str) -> tuple[Conflict, ...]:
        """Corrections of the study that contradict each other."""
        return self.derivation.view(file_name(study)).conflicts

    def corrections(self, study: str) -> Mapping[str, Correction]:
        """Those in force, by digest, the winning ones last."""
        return self.log.read_now(file_name(study)).corrections

    def _derived(self, key: str) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = decompressed(self.objects.read(key))
        except Missing:
            raise NotFound("the archive shows nothing there") from None
        except Damaged as error:
            raise Damaged(f"{key} cannot be read: derive it anew") from error
        return found

    def _named(self, studies: Sequence[str]) -> set[str]:
        """File names of these, or of all that the archive knows of."""
        return set(map(file_name, studies)) or {*self.objects.folders("log"), *self._derived_studies()}

    def _derived_studies(self) -> set[str]:
        return {listed.key.split("/")[2] for listed in self.objects.listed("summaries")}

    def _targets(self, study: str) -> set[str]:
        """Studies that instances of this one are, or were once, moved to."""
        found = self.log.changes(study, self.log.names_of_changes(study)).values()
        return {file_name(one.to_study) for one in found if isinstance(one, Correction) and one.to_study}

    def _write_change(self, change: Change, study: str) -> None:
        key, content = changes.encode(change, study)
        self.log.write(key, content)
        self.objects.settle()

    def _keep_format(self) -> None:
        if not self._has_format:
            self.objects.create(FORMAT_KEY, canonical(_FORMAT), _JSON)
            self._has_format = True

    def _check_format(self, *, writes: bool) -> None:
        try:
            content = self.objects.read(FORMAT_KEY)
        except Missing:
            return
        whole = canonical(_FORMAT)
        if _is_cut_off(content, whole):
            if not writes:
                raise ArchiveError("archive.json is cut off, as by a loss of power: who adds to the archive mends it")
            self.objects.replace(FORMAT_KEY, whole, _JSON)
            content = whole
        with suppress(ValueError):
            self._has_format = json.loads(content) == _FORMAT
        if not self._has_format:
            raise ArchiveError("this is no archive, or one of another version of its format")


def _is_cut_off(content: bytes, whole: bytes) -> bool:
    """Whether only a beginning of it was written; the rest may be zeros."""
    written = content.rstrip(b"\0")
    return written != whole and whole.startswith(written)


def _is_below(path: InstancePath, series: str, instance: str) -> bool:
    return series in ("", path.series_instance_uid) and instance in ("", path.sop_instance_uid)
