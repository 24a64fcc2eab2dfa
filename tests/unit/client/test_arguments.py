"""Arguments that are checked before anything is asked; all others are asked of all clients, in tests/clients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from framecache.client import DICOMfileClient, InvalidRequestError

from tests.unit.client.instances import uids

HALF = "\ud800"  # of a surrogate pair


@pytest.mark.parametrize(
    ("method", "named"),
    [
        ("search_for_studies", {"search_filters": {"PatientName": HALF}}),
        ("search_for_studies", {"search_filters": {HALF: "x"}}),
        ("search_for_studies", {"search_filters": {"StudyInstanceUID": ["1.2", HALF]}}),
        ("search_for_studies", {"fields": [HALF]}),
        ("retrieve_bulkdata", {"url": f"file:///{HALF}"}),
        ("retrieve_instance_frames", {"media_types": (f"image/{HALF}",)}),
    ],
)
def test_text_that_is_not_unicode_is_an_invalid_request(tmp_path: Path, method: str, named: dict[str, Any]) -> None:
    client = DICOMfileClient(tmp_path, in_memory=True)
    arguments = (*uids(1, 1, 1), [1]) if method == "retrieve_instance_frames" else ()
    with pytest.raises(InvalidRequestError) as raised:
        getattr(client, method)(*arguments, **named)
    assert str(raised.value).isascii()
