"""The series of a study, the instances of a series: asked of Orthanc in as few questions as it takes."""

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
    """Asks Orthanc's REST API. All raise NotFound for what is not there, SourceError."""

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
        """The instances of `series`, in the order of their Orthanc IDs: those of one study or series.

        Its UID is that of the tag with this keyword. Of the questions that tell of thousands at once this is the one
        that Orthanc answers soonest; another patient may have the same UIDs.
        """
        if not is_identifier(uid):  # it would ask for all that there is
            raise NotFound(f"it has no usable {keyword}")
        body = {"Level": "Instance", "ResponseContent": ["MainDicomTags", "Parent"], "Query": {keyword: uid}}
        answers = post_json(self._api, "/tools/find", body)
        meant = {one.orthanc_id for one in series}
        found = [one for one in map(_instance, answers) if one.series_id in meant]
        return sorted(found, key=lambda instance: instance.orthanc_id)

    def instance_ids(self, level: str, orthanc_id: str) -> list[str]:
        """The Orthanc IDs of the instances of a study or a series ("studies", "series"), or of one alone."""
        if level == "instances":
            return [str(self._get(f"/instances/{orthanc_id}")["ID"])]
        return list(map(str, self._get(f"/{level}/{orthanc_id}/instances?expand=false")))

    def _get(self, uri: str) -> Any:
        return get_json(self._api, uri)


def check_id(text: str) -> None:
    """Raises NotFound for what cannot be a resource's Orthanc ID."""
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
