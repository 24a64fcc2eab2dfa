"""Asks those who sent a series how many instances it has: a C-FIND (PS3.4 section C.4.1) by Orthanc itself."""

from __future__ import annotations

from typing import Any

from framecache.errors import FrameCacheError, NotFound
from framecache.orthanc.api import get_json, post_json
from framecache.orthanc.hierarchy import StoredSeries
from framecache.ports import OrthancApi

_TIMEOUT = 10  # seconds, of the association
# Series-level attribute of the Query/Retrieve service (PS3.4 section C.6.1.1.4); not every sender supports it.
_NUMBER = "NumberOfSeriesRelatedInstances"


class Senders:
    """The modalities in Orthanc's DicomModalities, by the AE title under which they send."""

    def __init__(self, api: OrthancApi) -> None:
        self._api = api

    def of(self, series: StoredSeries) -> str | None:
        """Who sent a series, by its name in DicomModalities; None if it was not sent by any of them.

        Raises FrameCacheError.
        """
        try:
            title = self._api.get(f"/instances/{series.instance_ids[0]}/metadata/RemoteAET").decode(errors="replace")
        except (NotFound, IndexError):
            return None  # it came over HTTP
        known: dict[str, Any] = get_json(self._api, "/modalities?expand")
        return next((name for name, one in known.items() if _title(one) == title.strip()), None)

    def number_of_instances(self, sender: str, study_instance_uid: str, series: StoredSeries) -> int | None:
        """How many the sender has; None if it does not say. Raises FrameCacheError if it does not answer."""
        uids = {"StudyInstanceUID": study_instance_uid, "SeriesInstanceUID": series.series_instance_uid}
        asked = {"Level": "Series", "Query": {**uids, _NUMBER: ""}, "Timeout": _TIMEOUT}
        query = post_json(self._api, f"/modalities/{sender}/query", asked)["ID"]
        answers = get_json(self._api, f"/queries/{query}/answers?expand&simplify")
        numbers = [
            _number(answer) for answer in answers if answer.get("SeriesInstanceUID") == series.series_instance_uid
        ]
        return numbers[0] if len(numbers) == 1 else None


def _title(modality: Any) -> str:
    if not isinstance(modality, dict):
        raise FrameCacheError("Orthanc's answer about its modalities is invalid")
    return str(modality.get("AET", "")).strip()


def _number(answer: dict[str, Any]) -> int | None:
    text = str(answer.get(_NUMBER) or "").strip()  # IS (PS3.5 section 6.2)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None  # noqa: PLR2004
