"""Arguments that are checked before anything is asked; all others are asked of all clients, in tests/clients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from dicomweb_client.protocol import DICOMClient
from framecache.client import DICOMfileClient, DICOMwebClient, InvalidRequestError

from tests.unit.client.instances import uids

HALF = "\ud800"  # of a surrogate pair


def of_files(folder: Path) -> DICOMClient:
    return DICOMfileClient(folder, in_memory=True)


def of_a_server(_: Path) -> DICOMClient:
    """That is never asked."""
    return cast("DICOMClient", DICOMwebClient("http://127.0.0.1:9"))


@pytest.mark.parametrize("kind", [of_files, of_a_server])
@pytest.mark.parametrize(
    ("arguments", "named"),
    [((), {}), (("1.2",) * 5, {}), (("1.2",), {"uid": "1"}), (("1.2",), {"study_instance_uid": "1"})],
    ids=["too few", "too many", "unknown", "twice"],
)
def test_other_arguments_than_a_method_has_are_an_invalid_request(
    tmp_path: Path, kind: Callable[[Path], DICOMClient], arguments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequestError):
        kind(tmp_path).retrieve_study_metadata(*arguments, **named)


@pytest.mark.parametrize(
    ("method", "named"),
    [
        ("search_for_studies", {"search_filters": {"PatientName": HALF}}),
        ("search_for_studies", {"search_filters": {HALF: "x"}}),
        ("search_for_studies", {"search_filters": {"StudyInstanceUID": ["1.2", HALF]}}),
        ("search_for_studies", {"fields": [HALF]}),
        ("retrieve_bulkdata", {"url": f"file:///{HALF}"}),
        ("retrieve_instance_frames", {"media_types": (f"image/{HALF}",)}),
        ("retrieve_instance_frames", {"media_types": ("image/jp2\r\nHost: another",)}),
        ("retrieve_instance_frames", {"media_types": (("image/jp2", "1.2\n"),)}),
    ],
)
def test_text_that_fits_into_no_request_is_invalid(tmp_path: Path, method: str, named: dict[str, Any]) -> None:
    client = of_files(tmp_path)
    arguments = (*uids(1, 1, 1), [1]) if method == "retrieve_instance_frames" else ()
    with pytest.raises(InvalidRequestError) as raised:
        getattr(client, method)(*arguments, **named)
    assert str(raised.value).isascii()
