"""The studies of the archive: newest first, page by page, and those that a patient had before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from framecache.dicom.identity import is_identifier
from framecache.errors import SourceError
from framecache.orthanc.api import get_json, post_json
from framecache.orthanc.instance import FIND_OPTIONS, Instance
from framecache.policy.keys import day_of
from framecache.ports import OrthancApi

_DAY = timedelta(days=1)
# Nothing was stored as DICOM before; what claims to be older is asked for at once.
_OLDEST = date(1970, 1, 1)
# Twice as many days are asked for together while there are few studies in them, up to so many days.
_FEW, _LONGEST_WINDOW = 50, 4096
# As many are asked for at once: while Orthanc's SQLite answers, nobody else is answered from it.
_PAGES = {"Study": 500, "Instance": 200}
_UNDATED = "undated"


@dataclass(frozen=True, slots=True)
class Study:
    """A study by its Orthanc ID and its Study Instance UID ("" where that is none), and what its age is known by.

    `study_date` is Study Date (0008,0020), "" where it is none (PS3.5 section 6.2); `last_update` is when Orthanc took
    the last instance in. Whoever begins behind `bookmark` goes on behind this study.
    """

    orthanc_id: str
    study_date: str
    last_update: str
    study_instance_uid: str = ""
    modalities: frozenset[str] = frozenset()
    offset: int = 0

    @property
    def age(self) -> tuple[str, str, str]:
        """Younger ones are greater."""
        return self.study_date, self.last_update, self.orthanc_id

    @property
    def bookmark(self) -> str:
        """For `Studies.newest_first`. Those without a date are begun with again where their page begins."""
        return " ".join(self.age) if self.study_date else f"{_UNDATED} {self.offset}"


class Studies:
    """Asks Orthanc's database (core 1.12.5 and later).

    A page of all studies in order would have them all sorted, and would shift as studies come and go. So they are asked
    for by a few days at a time, by the identifier that Orthanc keeps an index of, and are sorted here.
    """

    def __init__(self, api: OrthancApi, *, id_page: int = 100) -> None:
        """`since` asks for `id_page` Orthanc IDs at once."""
        self._api, self._id_page, self._longest = api, id_page, Counter[str]()

    def newest_first(self, bookmark: str, today: date, oldest: date | None = None) -> Iterator[Study]:
        """The studies behind `bookmark` ("" for all), by Study Date and the last update, those without a date last.

        With `oldest`, none before that day and none without a date. Raises SourceError.
        """
        kind, _, rest = bookmark.partition(" ")
        if kind != _UNDATED:
            before = (kind, *rest.split(" ", 1)) if rest else None
            yield from (one for one in self._dated(kind, today, oldest) if before is None or one.age < before)
        if oldest is None:
            yield from self._undated(int(rest) if kind == _UNDATED and rest.isdigit() else 0)

    def _dated(self, from_day: str, today: date, oldest: date | None) -> Iterator[Study]:
        end = day_of(from_day)
        if end is None:  # dates that are still to come are those of a wrong clock
            end = today
            yield from self._within(f"{today + _DAY:%Y%m%d}-")
        last, length = oldest or _OLDEST, 1
        while end >= last:
            begin = max(last, end - (length - 1) * _DAY)
            found = self._within(f"{begin:%Y%m%d}-{end:%Y%m%d}")
            yield from found
            end, length = begin - _DAY, max(1, min(2 * length, _LONGEST_WINDOW) if len(found) < _FEW else length // 2)
        if oldest is None:
            yield from self._within(f"-{end:%Y%m%d}")

    def _within(self, dates: str) -> list[Study]:
        found = self._find({"Query": {"StudyDate": dates}})
        return sorted((one for one in found if one.study_date), key=lambda one: one.age, reverse=True)

    def _undated(self, offset: int) -> Iterator[Study]:
        return (one for one in self._find({"Query": {}}, offset) if not one.study_date)

    def content(self, studies: Sequence[Study], on_odd: Callable[[Exception], None]) -> Iterator[Sequence[Instance]]:
        """The instances of some studies, page by page; `on_odd` is told of an answer that cannot be understood.

        A study without a valid UID is left out: no frame of it can be asked for. By UIDs, because Orthanc's SQLite
        looks at all instances there are for each that is asked for by its Orthanc ID. Raises SourceError.
        """
        uids = [one.study_instance_uid for one in studies if one.study_instance_uid]
        asked = {**FIND_OPTIONS, "Query": {"StudyInstanceUID": "\\".join(uids)}}
        for answers in self._pages(asked) if uids else ():
            instances: list[Instance] = []
            for answer in answers:
                try:
                    instances.append(Instance.from_find(answer))
                except SourceError as error:
                    on_odd(error)
            yield instances

    def since(self, first: date) -> Iterator[str]:
        """The Orthanc IDs of the studies from that day on, the oldest first. Raises SourceError.

        Page by page; a study that comes meanwhile is behind those of earlier days and moves none of them.
        """
        order = [{"Type": "DicomTag", "Key": "StudyDate", "Direction": "ASC"}]
        asked = {"Level": "Study", "Expand": False, "Query": {"StudyDate": f"{first:%Y%m%d}-"}, "OrderBy": order}
        offset = 0
        while page := post_json(self._api, "/tools/find", {**asked, "Limit": self._id_page, "Since": offset}):
            yield from map(str, page)
            offset += len(page)

    def instances(self, study_id: str) -> list[str]:
        """The Orthanc IDs of the instances of a study. Raises NotFound, SourceError."""
        return list(map(str, get_json(self._api, f"/studies/{study_id}/instances?expand=false")))

    def number_of_instances(self, oldest: date | None = None) -> int:
        """In the whole archive, or about so many in the studies from `oldest` on. Raises SourceError.

        Orthanc's SQLite takes minutes to count the instances of a range of dates: so it counts their studies.
        """
        told = get_json(self._api, "/statistics")
        if oldest is None:
            return int(told["CountInstances"])
        body = {"Level": "Study", "Query": {"StudyDate": f"{oldest:%Y%m%d}-"}}
        studies = int(post_json(self._api, "/tools/count-resources", body)["Count"])
        return round(int(told["CountInstances"]) * studies / max(1, int(told["CountStudies"])))

    def related(self, instance_id: str, level: str) -> list[str]:
        """The instances of the same "series" or "study". Raises NotFound, SourceError."""
        parent = get_json(self._api, f"/instances/{instance_id}/{level}")["ID"]
        plural = {"series": "series", "study": "studies"}[level]
        return list(map(str, get_json(self._api, f"/{plural}/{parent}/instances?expand=false")))

    def priors(self, study_id: str, most: int, *, same_modality: bool) -> list[Study]:
        """Up to `most` studies that the same patient had before, newest first.

        With `same_modality`, those that share a modality (0008,0061) with this one. Nothing where the patient has no
        Patient ID: whoever has none is not the same. Raises NotFound, SourceError.
        """
        study = get_json(self._api, f"/studies/{study_id}")
        if not study.get("PatientMainDicomTags", {}).get("PatientID", "").strip():
            return []
        asked = {"Query": {}, "ParentPatient": study["ParentPatient"], "RequestedTags": ["ModalitiesInStudy"]}
        all_of_them = list(self._find(asked))
        own = next((one for one in all_of_them if one.orthanc_id == study_id), None)
        if own is None:
            return []
        earlier = (one for one in all_of_them if one.study_date and own.study_date and one.age < own.age)
        alike = (one for one in earlier if not same_modality or one.modalities & own.modalities)
        return sorted(alike, key=lambda one: one.age, reverse=True)[:most]

    def _find(self, asked: Mapping[str, object], offset: int = 0) -> Iterator[Study]:
        content = ["MainDicomTags", "Metadata", *(["RequestedTags"] if "RequestedTags" in asked else [])]
        for answers in self._pages({"Level": "Study", "ResponseContent": content, **asked}, offset):
            try:
                yield from [_study(answer, offset) for answer in answers]
            except (KeyError, TypeError, AttributeError) as error:
                raise SourceError("Orthanc's answer about its studies cannot be understood") from error
            offset += len(answers)

    def _pages(self, asked: Mapping[str, object], offset: int = 0) -> Iterator[list[dict[str, Any]]]:
        """Orthanc heeds LimitFindResults and LimitFindInstances, whatever it is asked for.

        So the last page is an empty one, or one that is shorter than another at this level was.
        """
        level = str(asked["Level"])
        while answers := self._ask(asked, offset):
            yield answers
            if len(answers) < self._longest[level]:
                return
            self._longest[level] = len(answers)
            offset += len(answers)

    def _ask(self, asked: Mapping[str, object], offset: int) -> list[dict[str, Any]]:
        question = {**asked, "Since": offset, "Limit": _PAGES[str(asked["Level"])]}
        answers: list[dict[str, Any]] = post_json(self._api, "/tools/find", question)
        return answers


def _study(answer: Mapping[str, Any], offset: int) -> Study:
    written = str(answer["MainDicomTags"].get("StudyDate") or "")
    uid = str(answer["MainDicomTags"].get("StudyInstanceUID") or "")
    modalities = str(answer.get("RequestedTags", {}).get("ModalitiesInStudy") or "")
    return Study(
        orthanc_id=str(answer["ID"]),
        study_date=written if day_of(written) else "",
        last_update=str(answer["Metadata"].get("LastUpdate") or "-"),
        study_instance_uid=uid if is_identifier(uid) else "",
        modalities=frozenset(filter(None, modalities.split("\\"))),
        offset=offset,
    )
