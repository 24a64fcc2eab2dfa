"""The studies of the archive: newest first, page by page, and a patient's earlier studies."""

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
# No DICOM is older; one query covers all studies with earlier dates.
_OLDEST = date(1970, 1, 1)
# The window of days doubles while it has few studies, up to this length.
_FEW, _LONGEST_WINDOW = 50, 4096
# The length of a page: while Orthanc's SQLite answers one query, all others wait.
_PAGES = {"Study": 500, "Instance": 200}
_UNDATED = "undated"


@dataclass(frozen=True, slots=True)
class Study:
    """A study with its Orthanc ID, its Study Instance UID ("" if invalid), and the fields that determine its age.

    `study_date` is Study Date (0008,0020), "" if it is invalid (PS3.5 section 6.2); `last_update` is the time when
    Orthanc stored its last instance. `bookmark` continues after this study.
    """

    orthanc_id: str
    study_date: str
    last_update: str
    study_instance_uid: str = ""
    modalities: frozenset[str] = frozenset()
    offset: int = 0

    @property
    def age(self) -> tuple[str, str, str]:
        """The sort key: newer studies are greater."""
        return self.study_date, self.last_update, self.orthanc_id

    @property
    def bookmark(self) -> str:
        """For `Studies.newest_first`. Studies without a date resume at the start of their page."""
        return " ".join(self.age) if self.study_date else f"{_UNDATED} {self.offset}"


class Studies:
    """Asks Orthanc's database (core 1.12.5 and later).

    To page through all studies in order, Orthanc would sort all of them for each page, and pages would shift as studies
    come and go. So each query covers a few days, by the tag that Orthanc indexes, and the studies are sorted here.
    """

    def __init__(self, api: OrthancApi, *, id_page: int = 100) -> None:
        """`since` asks for `id_page` Orthanc IDs at once."""
        self._api, self._id_page, self._longest = api, id_page, Counter[str]()

    def newest_first(self, bookmark: str, today: date, oldest: date | None = None) -> Iterator[Study]:
        """The studies after `bookmark` ("" for all), by Study Date and last update; studies without a date come last.

        `oldest` excludes studies before that day and those without a date. Raises SourceError.
        """
        kind, _, rest = bookmark.partition(" ")
        if kind != _UNDATED:
            before = (kind, *rest.split(" ", 1)) if rest else None
            yield from (one for one in self._dated(kind, today, oldest) if before is None or one.age < before)
        if oldest is None:
            yield from self._undated(int(rest) if kind == _UNDATED and rest.isdigit() else 0)

    def _dated(self, from_day: str, today: date, oldest: date | None) -> Iterator[Study]:
        end = day_of(from_day)
        if end is None:  # dates in the future come from a wrong clock
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
        """The instances of some studies, page by page; `on_odd` receives errors of invalid answers.

        Studies without a valid UID are omitted: their frames cannot be requested. The query uses UIDs, because for each
        Orthanc ID in a query Orthanc's SQLite scans all instances. Raises SourceError.
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
        """The Orthanc IDs of the studies from that day on, oldest first. Raises SourceError.

        Page by page; studies that arrive meanwhile sort after earlier days and do not shift their pages.
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
        """The instances in the archive, or an estimate for the studies from `oldest` on. Raises SourceError.

        Orthanc's SQLite takes minutes to count the instances of a range of dates, so we count studies.
        """
        totals = get_json(self._api, "/statistics")
        if oldest is None:
            return int(totals["CountInstances"])
        body = {"Level": "Study", "Query": {"StudyDate": f"{oldest:%Y%m%d}-"}}
        studies = int(post_json(self._api, "/tools/count-resources", body)["Count"])
        return round(int(totals["CountInstances"]) * studies / max(1, int(totals["CountStudies"])))

    def related(self, instance_id: str, level: str) -> list[str]:
        """The Orthanc IDs of the instances of the same "series" or "study". Raises NotFound, SourceError."""
        parent = get_json(self._api, f"/instances/{instance_id}/{level}")["ID"]
        plural = {"series": "series", "study": "studies"}[level]
        return list(map(str, get_json(self._api, f"/{plural}/{parent}/instances?expand=false")))

    def priors(self, study_id: str, most: int, *, same_modality: bool) -> list[Study]:
        """Up to `most` earlier studies of the same patient, newest first.

        With `same_modality`, only studies that share a modality (0008,0061) with this one. None if the Patient ID is
        empty, which does not identify a patient. Raises NotFound, SourceError.
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
                raise SourceError("Orthanc's answer about its studies is invalid") from error
            offset += len(answers)

    def _pages(self, asked: Mapping[str, object], offset: int = 0) -> Iterator[list[dict[str, Any]]]:
        """Orthanc applies LimitFindResults and LimitFindInstances to every query.

        So the last page is empty, or shorter than an earlier page of this level.
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
