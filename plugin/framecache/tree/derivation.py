"""Derives what web servers send of a study from its log: anyone can, at any time, and all come to the same files.

Each derived file says what it is made of: a digest of the names in the log, in its gzip header. A writer whose view is
old may overwrite a newer file; whoever looks next sees that, and derives again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from framecache.tree import layout, qido
from framecache.tree.errors import Damaged, Missing, Unsettled
from framecache.tree.json_object import (
    COMMENT_LENGTH,
    canonical,
    comment_of,
    compressed,
    decompressed,
    encoded,
    object_text,
    text_of,
)
from framecache.tree.layout import JSON, OWN_JSON, Layout, file_name, name_of, summaries_of_study
from framecache.tree.log import MOST_ATTEMPTS, Log, Names, StudyLog, list_is_behind
from framecache.tree.objects import Objects
from framecache.tree.placing import Placing, marks, placing
from framecache.tree.publication import Publication
from framecache.tree.record import Record
from framecache.tree.view import Shown, View, view


@dataclass(frozen=True, slots=True)
class Basis:
    """What the files of a study are made of: the names in its log, and in those of the studies that may move instances
    to it."""

    study: str
    names: dict[str, Names]

    @property
    def digest(self) -> str:
        return name_of([f"{study}/{name}" for study, names in self.names.items() for name in names.all()])

    def of_series(self, series: str) -> str:
        """Of one series: without the others, unless something may have been moved."""
        own = self.names[self.study]
        if own.changes or len(self.names) > 1:
            return self.digest
        return name_of([f"{self.study}/{series}/{name}" for name in own.series.get(series, ())])


@dataclass(frozen=True, slots=True)
class Derivation:
    """Studies and series are given by their file names. Raises Unreachable."""

    objects: Objects
    layout: Layout
    log: Log
    publication: Publication
    pool: Executor

    def derive(self, study: str, *, anew: bool = False) -> None:
        """Make the files of a study what they should be; whether they are is looked at, unless `anew`.

        Raises Unsettled if other writers go on changing its log.
        """
        with placing(self.objects, study) as mark:
            for _ in range(MOST_ATTEMPTS):
                basis = self._basis(study)
                try:
                    if anew or not self._is_current(basis):
                        self._write(basis, mark, anew=anew)
                except Missing:
                    continue
                if self._basis(study) == basis:
                    return
            raise Unsettled("the study is changed all the time: derive it again later")

    def view(self, study: str) -> View:
        """What is shown of a study, and its conflicts."""
        for _ in range(MOST_ATTEMPTS):
            with suppress(Missing):
                return self._view(study, self._logs(self._basis(study)))
        raise list_is_behind(study)

    def _view(self, study: str, logs: Sequence[StudyLog]) -> View:
        return view(study, logs, {mark for log in logs for mark in self._doubted(log)})

    def _doubted(self, log: StudyLog) -> Iterator[str]:
        """The marks of instances that may not be what they were: of all, if a change cannot be read, and of those with
        several versions in a series of which an entry cannot be read. The latest may be in there."""
        if log.has_damaged_change:
            yield from (layout.contested(record.path) for record in log.records)
        for series in log.damaged_series:
            yield from (listed.key for listed in self.objects.listed(f"contested/{log.study}/{series}"))

    def _basis(self, study: str) -> Basis:
        names = {study: self.log.names(study)}
        changes = self.log.changes(study, names[study]).values()
        for origin in sorted({file_name(change.study) for change in changes} - {study}):
            names[origin] = self.log.names(origin)
        return Basis(study, names)

    def _logs(self, basis: Basis) -> list[StudyLog]:
        return [self.log.read(study, names) for study, names in basis.names.items()]

    def _is_current(self, basis: Basis) -> bool:
        present = [listed.name for listed in self.objects.listed(summaries_of_study(basis.study))]
        is_empty = not present and not any(names.series for names in basis.names.values())
        if (present != [basis.digest] and not is_empty) or marks(self.objects, basis.study):
            return False
        if is_empty:
            return True
        summary = self._summary(basis.study, basis.digest)
        expected = {
            self.layout.study(basis.study): basis.digest,
            self.layout.series_of_study(basis.study): basis.digest,
        }
        for series in summary.get("series", {}):
            expected |= dict.fromkeys(self._files_of_series(basis.study, series), basis.of_series(series))
        return bool(summary) and all(self.pool.map(self._is_made_of, expected.items()))

    def _is_made_of(self, key_and_digest: tuple[str, str]) -> bool:
        key, digest = key_and_digest
        try:
            return comment_of(self.objects.read_range(key, 0, COMMENT_LENGTH)) == digest
        except Missing:
            return False

    def _summary(self, study: str, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = decompressed(self.objects.read(f"{summaries_of_study(study)}/{name}"))
        except (Missing, Damaged):
            return {}
        return found

    def _files_of_series(self, study: str, series: str) -> tuple[str, str]:
        return self.layout.series_metadata(study, series), self.layout.instances_of_series(study, series)

    def _write(self, basis: Basis, mark: Placing, *, anew: bool) -> None:
        study, logs = basis.study, self._logs(basis)
        basis = Basis(study, {log.study: log.names_as_read for log in logs})
        found = self._view(study, logs)
        present = [listed.name for listed in self.objects.listed(summaries_of_study(study))]
        known: dict[str, Any] = {}
        for name in () if anew else present:
            known |= self._summary(study, name).get("series", {})
        self._place(found, logs, mark)
        series = self._write_series(basis, found, known)
        self._remove_other_series(study, set(series))
        if series:
            self._write_study(basis, series)
        else:
            self.objects.delete([self.layout.study(study), self.layout.series_of_study(study)])
        keep = basis.digest if series else ""
        self.objects.delete([f"{summaries_of_study(study)}/{name}" for name in present if name != keep])

    def _write_series(self, basis: Basis, found: View, known: dict[str, Any]) -> dict[str, Any]:
        """What is known of each series, by file name."""
        by_series: dict[str, list[Shown]] = defaultdict(list)
        for shown in found.shown:
            by_series[file_name(shown.path.series_instance_uid)].append(shown)
        result: dict[str, Any] = {}
        for series, instances in sorted(by_series.items()):
            of = basis.of_series(series)
            files = self._files_of_series(basis.study, series)
            if known.get(series, {}).get("of") == of and all(self._is_made_of((key, of)) for key in files):
                result[series] = known[series]
                continue
            result[series] = {"of": of, **self._write_one_series(files, of, instances)}
        return result

    def _write_one_series(self, files: tuple[str, str], of: str, instances: Sequence[Shown]) -> dict[str, Any]:
        syntaxes = {shown.path.sop_instance_uid: shown.record.frames_transfer_syntax_uid for shown in instances}
        metadata = qido.in_order(shown.metadata() for shown in instances)
        listed = [qido.instance(one, syntaxes.get(qido.text(one, "00080018"), "")) for one in metadata]
        answers = (_array(map(object_text, metadata)), _array(map(object_text, listed)))
        self._replace({key: compressed(answer, of) for key, answer in zip(files, answers, strict=True)})
        attributes = {tag: json.loads(element) for tag, element in qido.series(metadata).items()}
        return {"attributes": attributes, **qido.study_of_series(metadata)}

    def _replace(self, contents: dict[str, bytes]) -> None:
        for future in [self.pool.submit(self.objects.replace, key, text, JSON) for key, text in contents.items()]:
            future.result()

    def _write_study(self, basis: Basis, series: dict[str, Any]) -> None:
        study, of = basis.study, basis.digest
        in_order = [series[name] for name in sorted(series)]
        attributes = qido.study(in_order)
        answers = {
            self.layout.series_of_study(study): [one["attributes"] for one in in_order],
            self.layout.study(study): [attributes],
        }
        self._replace({key: compressed(_array(map(text_of, values)), of) for key, values in answers.items()})
        summary = canonical({"of": of, "study": attributes, "series": series})
        self.objects.replace(f"{summaries_of_study(study)}/{of}", compressed(summary), OWN_JSON)

    def _remove_other_series(self, study: str, shown: set[str]) -> None:
        others: set[str] = {*self.objects.folders(f"studies/{study}/series")} - shown
        for series in sorted(others):
            self.objects.delete(self._files_of_series(study, series))

    def _place(self, found: View, logs: Sequence[StudyLog], mark: Placing) -> None:
        """See to it that the frames of each place are those of the instance that is shown there, and no others."""
        named: dict[str, list[Record]] = defaultdict(list)  # whose frames may lie there now
        for record in (record for log in logs for record in log.records):
            named[record.path.sop_instance_uid].append(record)
        contested = {listed.key for listed in self.objects.listed(f"contested/{found.study}")}
        for shown in found.shown:
            marker = layout.contested(shown.path)
            may_differ = marker in contested or shown.is_moved or shown.path in found.visited
            if may_differ and not self.publication.is_published(shown):
                mark.begin()
                self.objects.delete(self._files_of_series(found.study, file_name(shown.path.series_instance_uid)))
                self.publication.publish(shown, named[shown.path.sop_instance_uid])
        for path in filter(self.publication.is_occupied, found.empty):
            mark.begin()
            self.publication.retire(path, named[path.sop_instance_uid])


def _array(texts: Iterable[str]) -> bytes:
    return encoded("[" + ",\n".join(texts) + "]")
