"""Queries about instances to Orthanc's index."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import Any

from framecache.batches import batches
from framecache.dicom.identity import InstancePath, is_identifier
from framecache.errors import InstanceGone, NotFound, SharedUids, SourceError
from framecache.orthanc.api import get_json, post_json
from framecache.orthanc.instance import FIND_OPTIONS, DescribedInstance, Instance
from framecache.ports import OrthancApi

_PAGE = 200  # series, or instances
_NUMBER = "NumberOfSeriesRelatedInstances"


class InstanceIndex:
    """Asks Orthanc. All methods raise SourceError if it does not answer."""

    def __init__(self, api: OrthancApi) -> None:
        self._api, self._longest_page = api, 0

    def under(self, path: InstancePath) -> list[Instance]:
        """The instances with these three UIDs: several if patients share them.

        Study, series and instance must belong together, or a token for one study would open another.
        """
        query = {
            "StudyInstanceUID": path.study_instance_uid,
            "SeriesInstanceUID": path.series_instance_uid,
            "SOPInstanceUID": path.sop_instance_uid,
        }
        return [instance for instance in self._find(query) if instance.path == path]

    def with_uid_of(self, orthanc_id: str) -> list[Instance]:
        """The instance with this Orthanc ID, and all others with its SOP Instance UID. Raises NotFound."""
        sop_instance_uid = get_json(self._api, f"/instances/{orthanc_id}")["MainDicomTags"].get("SOPInstanceUID", "")
        if not is_identifier(sop_instance_uid):
            raise NotFound("the instance has no usable SOP Instance UID")  # a wildcard would match every instance
        return self._find({"SOPInstanceUID": sop_instance_uid})

    def first_of_series(self, study_instance_uid: str, series_instance_uid: str) -> str:
        """The Orthanc ID of the instance that represents a series: the least, as in the stock plugin.

        Raises NotFound.
        """
        query = {"StudyInstanceUID": study_instance_uid, "SeriesInstanceUID": series_instance_uid}
        question = {"Level": "Series", "Query": query, "ResponseContent": ["Children"]}
        found = post_json(self._api, "/tools/find", question)
        instances = [str(orthanc_id) for series in found for orthanc_id in series["Instances"]]
        if not instances:
            raise NotFound("there is no such series")
        return min(instances)

    def within(self, study_instance_uid: str, series_instance_uid: str | None) -> list[str]:
        """The Orthanc IDs of the instances of a study, or of one of its series, sorted as by the stock plugin.

        Raises NotFound, and SharedUids if two patients have the study's UID.
        """
        series = self.by_series(study_instance_uid, series_instance_uid)
        return sorted(chain.from_iterable(series))

    def by_series(self, study_instance_uid: str, series_instance_uid: str | None) -> list[list[str]]:
        """The same for each series by itself, these in the order of their own Orthanc IDs."""
        series = self._all_series(study_instance_uid, series_instance_uid, {"ResponseContent": ["Children", "Parent"]})
        return [sorted(map(str, one["Instances"])) for one in sorted(series, key=lambda one: str(one["ID"]))]

    def number_within(self, study_instance_uid: str, series_instance_uid: str | None) -> int:
        """How many instances that are: Orthanc tells it in a fourth of the time that their IDs take.

        Raises NotFound, SharedUids.
        """
        content = {"ResponseContent": ["RequestedTags", "Parent"], "RequestedTags": [_NUMBER]}
        series = self._all_series(study_instance_uid, series_instance_uid, content)
        return sum(int(one["RequestedTags"][_NUMBER]) for one in series)

    def _all_series(
        self, study_instance_uid: str, series_instance_uid: str | None, content: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        query = {"StudyInstanceUID": study_instance_uid}
        if series_instance_uid is not None:
            query["SeriesInstanceUID"] = series_instance_uid
        series = list(self._series({"Query": query, **content}))
        if not series:
            raise NotFound("there is no such study or series")
        if len({one["ParentStudy"] for one in series}) > 1:
            raise SharedUids
        return series

    def _series(self, question: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Page by page: LimitFindResults limits the length of an answer.

        So the last page is empty, or shorter than some other was: a series is one row, and a second question for it
        would take as long as the first.
        """
        if self._longest_page <= 1:
            self._page({"Query": {}}, 0, 2)
        since = 0
        while found := self._page(question, since, _PAGE):
            yield from found
            if len(found) < self._longest_page:
                return
            since += len(found)

    def _page(self, question: Mapping[str, Any], since: int, limit: int) -> list[dict[str, Any]]:
        asked = {**question, "Level": "Series", "Since": since, "Limit": limit}
        found: list[dict[str, Any]] = post_json(self._api, "/tools/find", asked)
        self._longest_page = max(self._longest_page, len(found))
        return found

    def study_of(self, series_id: str) -> str:
        """The Orthanc ID of the study of a series, which no answer about an instance has. Raises NotFound."""
        return str(get_json(self._api, f"/series/{series_id}")["ParentStudy"])

    def attachment(self, orthanc_id: str) -> str:
        """The UUID of an instance's present DICOM attachment. Raises NotFound."""
        return str(get_json(self._api, f"/instances/{orthanc_id}/attachments/dicom/info")["Uuid"])

    def attachments(self, orthanc_ids: Collection[str]) -> dict[str, str]:
        """The UUIDs of the DICOM attachments of up to some hundred instances, by Orthanc ID; without deleted ones."""
        body = {"Resources": list(orthanc_ids), "Level": "Instance", "Metadata": False}
        answers = post_json(self._api, "/tools/bulk-content", body)
        return {answer["ID"]: answer["FileUuid"] for answer in answers}

    def files_of_series(self, study_instance_uid: str, series_instance_uid: str) -> dict[str, tuple[str, str]]:
        """The Orthanc ID and the attachment of each instance, by SOP Instance UID. Raises NotFound, SharedUids."""
        found: dict[str, tuple[str, str]] = {}
        for orthanc_ids in batches(self.within(study_instance_uid, series_instance_uid), _PAGE):
            body = {"Resources": orthanc_ids, "Level": "Instance", "Metadata": False}
            for answer in post_json(self._api, "/tools/bulk-content", body):
                found[answer["MainDicomTags"].get("SOPInstanceUID", "")] = answer["ID"], answer["FileUuid"]
        return found

    def describe(self, orthanc_ids: Collection[str]) -> dict[str, DescribedInstance]:
        """Up to some hundred instances as they are now, by Orthanc ID; without deleted ones."""
        body = {"Resources": list(orthanc_ids), "Level": "Instance", "Metadata": True}
        answers = post_json(self._api, "/tools/bulk-content", body)
        described = [DescribedInstance.from_bulk_content(answer, {}) for answer in answers]
        return {one.orthanc_id: one for one in described}

    def file(self, instance: DescribedInstance) -> bytes:
        """The stored file of this very version, as Orthanc reads it. Raises NotFound.

        Orthanc knows an instance by its ID only, whatever version that now is. Raises InstanceGone if it is another.
        """
        try:
            stored = self._api.get(f"/instances/{instance.orthanc_id}/file")
        except SourceError:
            self.check_current(instance)  # else it is no fault: Orthanc found the file replaced under its hands
            raise
        self.check_current(instance)
        return stored

    def check_current(self, instance: DescribedInstance) -> None:
        """Raises InstanceGone if Orthanc has another version of it by now, NotFound if it has none."""
        if self.attachment(instance.orthanc_id) != instance.attachment_uuid:
            raise InstanceGone("the instance was replaced while it was read")

    def _find(self, query: Mapping[str, str]) -> list[Instance]:
        return [
            Instance.from_find(one) for one in post_json(self._api, "/tools/find", {**FIND_OPTIONS, "Query": query})
        ]
