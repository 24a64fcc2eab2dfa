"""The series of a study and the instances of a series, from as few queries to Orthanc as possible."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from framecache.dicom.identity import is_identifier
from framecache.errors import NotFound, SourceError
from framecache.orthanc.api import get_json, post_json
from framecache.orthanc.identifiers import is_orthanc_id
from framecache.orthanc.instance import number_of_frames
from framecache.ports import OrthancApi


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """An instance in Orthanc's database."""

    orthanc_id: str
    series_id: str
    sop_instance_uid: str
    frames: int


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """A series; `expected` is the number of instances that its sender announced, if it did."""

    orthanc_id: str
    study_id: str
    series_instance_uid: str
    instance_ids: Sequence[str]
    expected: int | None


class Hierarchy:
    """Asks Orthanc's REST API. All methods raise NotFound for missing resources, and SourceError."""

    def __init__(self, api: OrthancApi) -> None:
        self._api = api

    def study_instance_uid(self, study_id: str) -> str:
        """StudyInstanceUID (0020,000D), as it is stored."""
        return str(self._get(f"/studies/{study_id}")["MainDicomTags"].get("StudyInstanceUID", ""))

    def series_of(self, study_id: str) -> list[StoredSeries]:
        """All series of a study."""
        return [_series(answer) for answer in self._get(f"/studies/{study_id}/series")]

    def series(self, series_id: str) -> StoredSeries:
        """One series."""
        return _series(self._get(f"/series/{series_id}"))

    def instances_of(self, keyword: str, uid: str, series: Collection[StoredSeries]) -> list[StoredInstance]:
        """The instances of `series` in the order of their Orthanc IDs, by the UID of their study or series.

        `keyword` names the tag with that UID. Orthanc answers this query for thousands of instances sooner than any
        other; instances of other patients with the same UID are removed.
        """
        if not is_identifier(uid):  # it would match every instance
            raise NotFound(f"the resource has no valid {keyword}")
        body = {"Level": "Instance", "ResponseContent": ["MainDicomTags", "Parent"], "Query": {keyword: uid}}
        answers = post_json(self._api, "/tools/find", body)
        series_ids = {one.orthanc_id for one in series}
        found = [one for one in map(_instance, answers) if one.series_id in series_ids]
        return sorted(found, key=lambda instance: instance.orthanc_id)

    def instance_ids(self, level: str, orthanc_id: str) -> list[str]:
        """The Orthanc IDs of the instances of a resource; `level` is "studies", "series" or "instances"."""
        if level == "instances":
            return [str(self._get(f"/instances/{orthanc_id}")["ID"])]
        return list(map(str, self._get(f"/{level}/{orthanc_id}/instances?expand=false")))

    def _get(self, uri: str) -> Any:
        return get_json(self._api, uri)


def check_id(text: str) -> None:
    """Raises NotFound for text that is not an Orthanc ID."""
    if not is_orthanc_id(text):
        raise NotFound("an Orthanc ID has five groups of eight hexadecimal digits")


def _series(answer: Any) -> StoredSeries:
    try:
        expected, uid = answer.get("ExpectedNumberOfInstances"), answer["MainDicomTags"].get("SeriesInstanceUID", "")
        return StoredSeries(answer["ID"], answer["ParentStudy"], uid, answer["Instances"], expected)
    except (KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"Orthanc's answer lacks {error}") from error


def _instance(answer: Any) -> StoredInstance:
    try:
        tags = answer["MainDicomTags"]
        uid = str(tags.get("SOPInstanceUID", ""))
        return StoredInstance(answer["ID"], answer["ParentSeries"], uid, number_of_frames(tags))
    except (KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"Orthanc's answer lacks {error}") from error
