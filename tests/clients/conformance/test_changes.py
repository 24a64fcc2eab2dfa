"""What is stored is found and what is deleted is not, whoever keeps it; each client has its own instances."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import requests
from dicomweb_client.protocol import DICOMClient

from tests.clients.conformance.conftest import Opened
from tests.clients.conformance.corpus import VOLUME, Stored

CANNOT_DELETE = ("web",)  # Orthanc's DICOMweb plugin has no DELETE


@pytest.fixture(scope="module")
def client(kind: str, opened: Callable[[str], Opened]) -> Iterator[DICOMClient]:
    """One that no other test asks what there is."""
    with opened(kind) as client:
        yield client


@pytest.fixture
def stored(client: DICOMClient, kind: str) -> Iterator[Stored]:
    """An instance of a study of its own, stored by the client, and gone when the test ends."""
    new = replace(VOLUME, study=9)
    response = client.store_instances([new.data_set], study_instance_uid=new.uids[0])
    assert [item.ReferencedSOPInstanceUID for item in response.ReferencedSOPSequence] == [new.uids[2]]
    assert not response.get("FailedSOPSequence")
    yield new
    if kind not in CANNOT_DELETE and client.search_for_instances(*new.uids[:2]):
        client.delete_study(new.uids[0])


def test_what_is_stored_is_found_and_retrieved(client: DICOMClient, stored: Stored) -> None:
    [found] = client.search_for_instances(*stored.uids[:2])
    assert found["00080018"]["Value"] == [stored.uids[2]]
    assert client.retrieve_instance_frames(*stored.uids, [2]) == [stored.pixels(2).tobytes()]
    assert client.retrieve_instance_metadata(*stored.uids)["00100010"]["Value"] == [{"Alphabetic": "Smith^John"}]


@pytest.mark.parametrize("level", [1, 2, 3])
def test_what_is_deleted_is_not_found(client: DICOMClient, kind: str, stored: Stored, level: int) -> None:
    delete = (client.delete_study, client.delete_series, client.delete_instance)[level - 1]
    if kind in CANNOT_DELETE:
        with pytest.raises(requests.HTTPError) as refused:
            delete(*stored.uids[:level])
        assert refused.value.response.status_code in (404, 405)
        return
    delete(*stored.uids[:level])
    assert client.search_for_studies(search_filters={"StudyInstanceUID": stored.uids[0]}) == []
    with pytest.raises(requests.HTTPError) as missing:
        client.retrieve_instance_frames(*stored.uids, [1])
    assert missing.value.response.status_code == 404
    with pytest.raises(requests.HTTPError) as again:
        delete(*stored.uids[:level])
    assert again.value.response.status_code == 404
