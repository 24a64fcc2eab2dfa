"""What an archive shows: of each instance the latest version that is not deleted, where and how corrections put it."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from framecache.dicom.identity import InstancePath
from framecache.tree.changes import Correction, Deletion
from framecache.tree.json_object import text_of
from framecache.tree.layout import contested, file_name, pixel_data_uri
from framecache.tree.log import StudyLog
from framecache.tree.record import Element, Record

_STUDY, _SERIES = "0020000D", "0020000E"
_PIXEL_DATA = frozenset({"7FE00008", "7FE00009", "7FE00010"})


@dataclass(frozen=True, slots=True)
class Standing:
    """Of an instance: its latest record, and up to which version it is deleted, and why."""

    latest: Record | None = None
    dead_up_to: int = 0
    reason: str = ""

    @property
    def live(self) -> Record | None:
        return self.latest if self.latest and self.latest.version > self.dead_up_to else None

    @property
    def next_version(self) -> int:
        return max(self.latest.version if self.latest else 0, self.dead_up_to) + 1


def standings(records: Iterable[Record], deletions: Iterable[Deletion]) -> dict[tuple[str, str], Standing]:
    """By series and instance, of one study."""
    latest: dict[tuple[str, str], Record] = {}
    for record in records:
        key = (record.path.series_instance_uid, record.path.sop_instance_uid)
        if key not in latest or latest[key].rank < record.rank:
            latest[key] = record
    dead: dict[tuple[str, str], tuple[int, str]] = {}
    for deletion in deletions:
        for one in deletion.dead:
            key = (one.series, one.instance)
            dead[key] = max(dead.get(key, (0, "")), (one.version, deletion.reason))
    return {key: Standing(latest.get(key), *dead.get(key, (0, ""))) for key in {**latest, **dead}}


@dataclass(frozen=True, slots=True)
class Shown:
    """A live instance under the UIDs, and with the attributes, that it is shown with."""

    record: Record
    path: InstancePath
    attributes: Mapping[str, Element | None]

    @property
    def is_moved(self) -> bool:
        return self.path != self.record.path

    def metadata(self) -> dict[str, str]:
        """Its DICOM JSON object: the text of each element."""
        metadata = dict(self.record.metadata)
        for tag, element in self.attributes.items():
            metadata.pop(tag, None)
            if element is not None:
                metadata[tag] = text_of(element)
        metadata[_STUDY] = text_of({"vr": "UI", "Value": [self.path.study_instance_uid]})
        metadata[_SERIES] = text_of({"vr": "UI", "Value": [self.path.series_instance_uid]})
        if self.record.number_of_frames:
            uri = pixel_data_uri(file_name(self.path.series_instance_uid), file_name(self.path.sop_instance_uid))
            for tag in _PIXEL_DATA & metadata.keys():
                metadata[tag] = text_of({**json.loads(metadata[tag]), "BulkDataURI": uri})
        return metadata


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two corrections that do not know each other say different things of the same instances, or two instances have
    the same place; `winner` and `loser` are digests of corrections, or paths."""

    winner: str
    loser: str
    about: str


@dataclass(frozen=True, slots=True)
class View:
    """A study as it is shown; `empty` are places where frames may lie that are not shown any more.

    `doubtful` is what is not shown, as an entry that cannot be read may have replaced, corrected or deleted it. At
    `visited` places, corrections may once have shown an instance that is at home elsewhere.
    """

    study: str
    shown: tuple[Shown, ...]
    empty: tuple[InstancePath, ...]
    conflicts: tuple[Conflict, ...]
    doubtful: tuple[Shown, ...] = ()
    visited: frozenset[InstancePath] = frozenset()


def view(study: str, logs: Sequence[StudyLog], doubted: Container[str] = frozenset()) -> View:
    """Of the study of that file name, by its own log and those of the studies that may have moved instances to it.

    `doubted` are the marks (`layout.contested`) of instances that damaged entries and changes may be about.
    """
    found: dict[InstancePath, Shown] = {}
    conflicts: list[Conflict] = [conflict for log in logs for conflict in _conflicts(log.corrections)]
    own: dict[InstancePath, bool] = {}
    doubtful: list[Shown] = []
    for log in logs:
        for standing in standings(log.records, log.deletions).values():
            if standing.latest and log.study == study:
                own[standing.latest.path] = standing.live is not None
            if standing.live is None:
                continue
            shown = _shown(standing.live, log.corrections.values())
            if file_name(shown.path.study_instance_uid) != study:
                continue
            if contested(standing.live.path) in doubted:
                doubtful.append(shown)
                continue
            first = found.setdefault(shown.path, shown)
            if first is not shown:
                conflicts.append(Conflict(str(first.record.path), str(shown.record.path), "place"))
    empty = {path for path, is_live in own.items() if not is_live}
    visited = frozenset(path for log in logs for path in _places(log, study))
    empty |= visited - own.keys()
    empty -= {*found, *(shown.path for shown in doubtful)}
    in_order = sorted(found.values(), key=lambda shown: shown.path.sop_instance_uid)
    return View(study, tuple(in_order), tuple(sorted(empty, key=str)), tuple(conflicts), tuple(doubtful), visited)


def _places(log: StudyLog, study: str) -> Iterator[InstancePath]:
    """Where corrections, those taken back included, may once have put instances that are at home elsewhere."""
    moves = [change for change in log.changes.values() if isinstance(change, Correction)]
    moves = [move for move in moves if move.to_study or move.to_series]
    for record, move in product(log.records, moves):
        path = record.path
        if move.covers(path.series_instance_uid, path.sop_instance_uid):
            for series in {path.series_instance_uid, *(other.to_series for other in moves if other.to_series)}:
                place = InstancePath(move.to_study or path.study_instance_uid, series, path.sop_instance_uid)
                if file_name(place.study_instance_uid) == study and place != path:
                    yield place


def _shown(record: Record, corrections: Iterable[Correction]) -> Shown:
    path, attributes = record.path, dict[str, Element | None]()
    study, series = path.study_instance_uid, path.series_instance_uid
    for correction in corrections:
        if correction.covers(path.series_instance_uid, path.sop_instance_uid):
            attributes |= correction.attributes
            study, series = correction.to_study or study, correction.to_series or series
    return Shown(record, InstancePath(study, series, path.sop_instance_uid), attributes)


def _conflicts(corrections: Mapping[str, Correction]) -> Iterator[Conflict]:
    for (loser, one), (winner, other) in combinations(corrections.items(), 2):
        if loser not in other.after and winner not in one.after and _overlap(one, other):
            about = sorted(_differences(one, other))
            if about:
                yield Conflict(winner, loser, ",".join(about))


def _overlap(one: Correction, other: Correction) -> bool:
    if one.series and other.series and one.series != other.series:
        return False
    return not (one.instances and other.instances) or bool({*one.instances} & {*other.instances})


def _differences(one: Correction, other: Correction) -> set[str]:
    tags = {tag for tag in {*one.attributes} & {*other.attributes} if one.attributes[tag] != other.attributes[tag]}
    places = {"study": (one.to_study, other.to_study), "series": (one.to_series, other.to_series)}
    return tags | {name for name, (first, second) in places.items() if first and second and first != second}
