"""A call that is wrong is an InvalidRequestError, whatever is wrong with it and wherever the instances are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import requests
from dicomweb_client.protocol import DICOMClient
from framecache.client import InvalidRequestError

from tests.clients.conformance.corpus import VOLUME

STUDY, SERIES, INSTANCE = VOLUME.uids
UIDS = {"study_instance_uid": STUDY, "series_instance_uid": SERIES, "sop_instance_uid": INSTANCE}
NO_UIDS: list[Any] = ["", 7, True, b"1.2", ["1.2"], "../../x", "1.2/3", "1.2?x=1", "1.2\n", "é", "1" * 300]
NOTHING: list[Any] = [None]  # wrong where an argument has no default
NO_TYPES: list[Any] = [
    7,
    "image/png",
    (),
    (7,),
    (None,),
    ((1, 2),),
    ("image",),
    ('image/"',),
    (("image/jls", "1", "2"),),
]
WRONG: dict[str, list[Any]] = {
    **dict.fromkeys(UIDS, NO_UIDS),
    "frame_numbers": [1, [], [0], [-1], [1, 0], ["1"], "1", b"\1", [True], [1.5], [None], [[1]], {1: 2}],
    "media_types": NO_TYPES,
    "params": [7, "x", [1], {7: 8}],
    "limit": ["1", -1, 1.5, True, []],
    "offset": ["1", -1, 1.5, True, []],
    "fuzzymatching": ["yes", 1],
    "get_remaining": ["yes", 1],
    "fields": ["PatientName", 7, [7], [None]],
    "search_filters": ["x", [1], {7: "x"}, {"PatientName": None}, {"PatientName": b"x"}, {"PatientName": {}}],
    "url": [7, b"x"],
    "byte_range": [7, "ab", (), (1, 2, 3), ("a", 2), (-1, 2), (5, 2), (None, None), (1.5, 2), (True, 2)],
    "datasets": ["x", 7, [], [None], [7], [{}], VOLUME.data_set, [b"x"]],
}
SEARCHED = dict.fromkeys(("limit", "offset", "fuzzymatching", "get_remaining", "fields", "search_filters"))
OF_LEVEL = {"study": 1, "series": 2, "instance": 3}


def arguments(method: str) -> dict[str, Any]:
    """Right ones; None for those that have defaults."""
    if method.startswith("search_for"):
        above = {"studies": 0, "series": 1, "instances": 2}[method.rpartition("_")[2]]
        return {**dict.fromkeys(list(UIDS)[:above]), **SEARCHED, "get_remaining": False}
    if method == "store_instances":
        return {"datasets": [VOLUME.data_set], "study_instance_uid": None}
    if method.endswith("bulkdata"):
        return {"url": "http://127.0.0.1:9/nowhere", "media_types": None, "byte_range": None}
    found: dict[str, Any] = dict(list(UIDS.items())[: OF_LEVEL[method.split("_")[1]]])
    if "frames" in method:
        found["frame_numbers"] = [1]
    if "metadata" not in method and "delete" not in method:
        found["media_types"] = None
    return {**found, "params": None} if "rendered" in method else found


METHODS = [name for name in dir(DICOMClient) if name.startswith(("search_for", "retrieve", "iter", "store", "delete_"))]
METHODS = [name for name in METHODS if not name.endswith("prefix")]


@pytest.mark.parametrize("method", METHODS)
def test_a_wrong_argument_is_an_invalid_request(client: DICOMClient, method: str) -> None:
    right = arguments(method)
    for name, value in right.items():
        for wrong in [*WRONG[name], *(NOTHING if value is not None and name != "get_remaining" else ())]:
            assert error_of(client, method, {**right, name: wrong}) == (InvalidRequestError, 400), (name, wrong)


def error_of(client: DICOMClient, method: str, named: dict[str, Any]) -> tuple[type[Exception], int] | None:
    """What is raised at once, before anything is iterated over."""
    try:
        getattr(client, method)(**named)
    except requests.HTTPError as error:
        return type(error), error.response.status_code
    return None


def test_numbers_of_any_kind_and_iterators_are_frame_numbers(client: DICOMClient) -> None:
    expected = [VOLUME.pixels(number).tobytes() for number in (1, 2)]
    for numbers in (np.arange(1, 3), range(1, 3), iter([1, 2]), (1, np.int64(2))):
        assert client.retrieve_instance_frames(*VOLUME.uids, numbers) == expected  # type: ignore[arg-type]
