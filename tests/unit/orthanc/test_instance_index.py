"""The instances of a series and of a study, in as few questions as that takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from framecache.errors import SharedUids
from framecache.orthanc.instance_index import InstanceIndex


class PagedApi:
    """Series by UID, of which no answer has more than `limit`, as with Orthanc's LimitFindResults."""

    def __init__(self, series: list[tuple[str, str]], limit: int) -> None:
        """`series` are pairs of a study's Orthanc ID and a series' UID; all studies have the same UID."""
        self._series, self._limit, self.questions = series, limit, 0

    def get(self, uri: str) -> bytes:
        raise AssertionError(uri)

    def post(self, _: str, body: bytes) -> bytes:
        self.questions += 1
        asked: dict[str, Any] = json.loads(body)
        uid, since = asked["Query"].get("SeriesInstanceUID"), asked["Since"]
        found = [
            {
                "ID": f"{number}",
                "ParentStudy": study,
                "Instances": [f"b{number}", f"a{number}"],
                "RequestedTags": {"NumberOfSeriesRelatedInstances": "2"},
            }
            for number, (study, series) in enumerate(self._series)
            if uid in (None, series)
        ]
        return json.dumps(found[since : since + min(asked["Limit"], self._limit)]).encode()


def test_a_series_takes_one_question_as_soon_as_there_are_two_in_the_archive() -> None:
    api = PagedApi([("study", f"1.{number}") for number in range(3)], limit=100)
    index = InstanceIndex(api)
    assert index.by_series("1", "1.2") == [["a2", "b2"]]

    api.questions = 0
    assert index.by_series("1", "1.1") == [["a1", "b1"]]
    assert api.questions == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_whatever_orthanc_s_limit_is_all_series_of_a_study_are_found(limit: int) -> None:
    api = PagedApi([("study", f"1.{number}") for number in range(5)], limit)
    index = InstanceIndex(api)

    for _ in range(2):
        assert index.by_series("1", None) == [[f"a{number}", f"b{number}"] for number in range(5)]
        assert index.within("1", None) == [f"{letter}{number}" for letter in "ab" for number in range(5)]
        assert index.number_within("1", None) == 10


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_whatever_orthanc_s_limit_is_a_second_patient_is_found(limit: int) -> None:
    index = InstanceIndex(PagedApi([("study", "1.1"), ("another", "1.1"), ("study", "1.2")], limit))

    for _ in range(2):
        with pytest.raises(SharedUids):
            index.by_series("1", "1.1")
        with pytest.raises(SharedUids):
            index.number_within("1", "1.1")
