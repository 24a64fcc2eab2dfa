"""ComposedClient over folders: asked in order or at once, merged, kept; and what becomes of clients that fail."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
from dicomweb_client.protocol import DICOMClient
from framecache.client import (
    ClientError,
    ComposedClient,
    DICOMfileClient,
    InvalidRequestError,
    NotFoundError,
    SourceFailure,
    UnreachableError,
)
from pydicom import dcmread

from tests.unit.client.instances import data_set_of, stored, uids, values, write
from tests.unit.dicom_files import EXPLICIT, IMPLICIT

STUDY, INSTANCE = "0020000D", "00080018"
RLE, AS_STORED = "1.2.840.10008.1.2.5", (("application/dicom", "*"),)


@pytest.fixture
def folder_client(tmp_path: Path) -> Callable[..., DICOMfileClient]:
    def client(name: str, *numbers: tuple[int, int, int], **arguments: Any) -> DICOMfileClient:
        folder = tmp_path / name
        folder.mkdir()
        write(
            folder, {f"{study}-{series}-{number}": stored(study, series, number) for study, series, number in numbers}
        )
        return DICOMfileClient(folder, in_memory=True, **arguments)

    return client


class Failing:
    """A client that raises whatever it is asked; it counts how often."""

    base_url, scheme, protocol, url_prefix = "https://failing", "https", None, "/"
    qido_url_prefix = wado_url_prefix = stow_url_prefix = delete_url_prefix = None

    def __init__(self, error: Exception) -> None:
        self.error, self.asked = error, 0

    def __getattr__(self, name: str) -> Any:
        if not name.startswith(("search", "retrieve", "iter", "store", "delete")):
            raise AttributeError(name)

        def fail(*_arguments: Any, **_named: Any) -> Any:
            self.asked += 1
            raise self.error

        return fail


def composed(*clients: Any, **arguments: Any) -> ComposedClient:
    return ComposedClient(clients, **arguments)


Make = Callable[..., DICOMfileClient]
Order = dict[str, bool]


@pytest.fixture(params=[True, False], ids=["in order", "at once"])
def order(request: pytest.FixtureRequest) -> Order:
    return {"sequential": request.param}


def test_it_is_a_dicom_client_and_closes_those_that_it_consists_of(folder_client: Make) -> None:
    with composed(folder_client("a")) as client:
        assert isinstance(client, DICOMClient)


def test_no_client_at_all_is_refused() -> None:
    with pytest.raises(InvalidRequestError):
        ComposedClient([])


def test_each_instance_comes_from_a_client_that_has_it(folder_client: Make, order: Order) -> None:
    client = composed(folder_client("a", (1, 1, 1)), folder_client("b", (2, 1, 1)), **order)
    for study in (1, 2):
        path = uids(study, 1, 1)
        assert client.retrieve_instance(*path).SOPInstanceUID == path[2]
        assert client.retrieve_instance_metadata(*path)[INSTANCE]["Value"] == [path[2]]
        assert [frame[0] for frame in client.retrieve_instance_frames(*path, [1])] == [16 * study + 1]
        assert len(list(client.iter_instance_frames(*path, [1, 2]))) == 2
        assert [one.SOPInstanceUID for one in client.retrieve_study(path[0])] == [path[2]]
        assert [one.SOPInstanceUID for one in client.retrieve_series(*path[:2])] == [path[2]]
        assert values(client.retrieve_study_metadata(path[0]), INSTANCE) == [path[2]]
        assert values(client.retrieve_series_metadata(*path[:2]), INSTANCE) == [path[2]]
        pictures = (client.retrieve_series_rendered(*path[:2]), client.retrieve_instance_rendered(*path))
        assert all(picture[:2] == b"\xff\xd8" for picture in pictures)
        assert client.retrieve_instance_frames_rendered(*path, [1])[:2] == b"\xff\xd8"
    assert client.failures == []


def test_what_no_client_has_is_not_found(folder_client: Make, order: Order) -> None:
    client = composed(folder_client("a", (1, 1, 1)), folder_client("b"), **order)
    for call in (client.retrieve_study, client.retrieve_study_metadata, client.delete_study):
        with pytest.raises(NotFoundError):
            call(uids(9, 1, 1)[0])
    assert client.search_for_studies(search_filters={"PatientID": "P9"}) == []


def test_a_search_in_order_is_answered_by_the_first_client_that_finds_something(folder_client: Make) -> None:
    client = composed(folder_client("a", (1, 1, 1)), folder_client("b", (1, 1, 1), (2, 1, 1)))
    assert values(client.search_for_studies(), STUDY) == [uids(1, 1, 1)[0]]
    assert values(client.search_for_studies(search_filters={"PatientID": "P2"}), STUDY) == [uids(2, 1, 1)[0]]
    assert client.search_for_studies(limit=5, offset=1) == [], "a page behind the last is not that of another client"


@pytest.mark.parametrize(
    ("limit", "offset", "expected"),
    [(None, None, [1, 2, 3, 4]), (2, None, [1, 2]), (2, 1, [2, 3]), (1, 3, [4]), (3, 4, []), (None, 2, [3, 4])],
)
def test_a_search_of_all_has_each_study_once_and_pages_over_all(
    folder_client: Make, limit: int | None, offset: int | None, expected: list[int]
) -> None:
    client = composed(
        folder_client("a", (1, 1, 1), (2, 1, 1)),
        folder_client("b", (1, 1, 1), (2, 1, 1), (3, 1, 1)),
        folder_client("c", (1, 1, 1), (3, 1, 1), (4, 1, 1)),
        sequential=False,
    )
    found = client.search_for_studies(limit=limit, offset=offset)
    assert values(found, STUDY) == [uids(study, 1, 1)[0] for study in expected]


def test_a_study_of_which_each_client_has_a_part_is_whole(folder_client: Make) -> None:
    client = composed(
        folder_client("a", (1, 1, 1), (1, 1, 2)), folder_client("b", (1, 1, 2), (1, 2, 3)), sequential=False
    )
    [study] = client.search_for_studies()
    expected = [uids(1, 1, 1)[2], uids(1, 1, 2)[2], uids(1, 2, 3)[2]]
    assert study["00201208"]["Value"] == [2], "numbers are those of the client with the most"
    assert values(client.search_for_instances(uids(1, 1, 1)[0]), INSTANCE) == expected
    assert values(client.retrieve_study_metadata(uids(1, 1, 1)[0]), INSTANCE) == expected
    assert [one.SOPInstanceUID for one in client.retrieve_study(uids(1, 1, 1)[0])] == expected
    assert values(client.search_for_series(), "0020000E") == [uids(1, 1, 1)[1], uids(1, 2, 3)[1]]


def test_bulk_data_comes_from_the_client_whose_metadata_names_it(folder_client: Make) -> None:
    first, second = folder_client("a", (1, 1, 1)), folder_client("b", (1, 1, 1))
    client = composed(Failing(UnreachableError("down")), composed(first, second, sequential=False))
    url = second.retrieve_instance_metadata(*uids(1, 1, 1))["7FE00010"]["BulkDataURI"]
    assert client.retrieve_bulkdata(url) == second.retrieve_bulkdata(url)
    assert client.retrieve_bulkdata(url, byte_range=(0, 3)) == [second.retrieve_bulkdata(url)[0][:4]]
    assert client.failures == []


def test_what_was_fetched_is_kept_in_the_first(folder_client: Make) -> None:
    cache, web = folder_client("a"), folder_client("b", (1, 1, 1), (1, 1, 2), (2, 1, 1))
    client = composed(cache, web, write_back=True)
    client.retrieve_instance(*uids(1, 1, 1))
    assert values(cache.search_for_instances(), INSTANCE) == [uids(1, 1, 1)[2]]
    assert len(client.search_for_instances(uids(1, 1, 1)[0])) == 2, "a part of the study in the cache hides nothing"
    assert len(client.retrieve_series(*uids(1, 1, 1)[:2])) == 2
    assert len(cache.search_for_instances()) == 2
    offline = composed(cache, Failing(UnreachableError("down")), write_back=True)
    assert len(offline.retrieve_study(uids(1, 1, 1)[0])) == 2
    assert [type(one.error) for one in offline.failures] == [UnreachableError]


EXPLICIT_TYPES = ("application/dicom",), (("application/dicom", EXPLICIT),)


@pytest.mark.parametrize(
    ("media_types", "expected"),
    [(None, EXPLICIT), *((one, EXPLICIT) for one in EXPLICIT_TYPES), ((("application/dicom", IMPLICIT),), IMPLICIT)],
)
@pytest.mark.parametrize("is_writable", [True, False])
def test_what_is_asked_for_in_another_form_is_kept_as_it_is_stored(
    folder_client: Make,
    order: Order,
    media_types: Any,
    expected: str,
    is_writable: bool,  # noqa: FBT001
) -> None:
    cache, web = folder_client("a", readonly=not is_writable), folder_client("b")
    rle = compressed(RLE)
    write(Path(web.base_url.removeprefix("file://")), {"rle": rle})
    web.update()
    client = composed(cache, web, write_back=True, **order)
    [found] = client.retrieve_series(*uids(1, 1, 1)[:2], media_types)
    assert found.file_meta.TransferSyntaxUID == expected
    assert found.pixel_array.tolist() == dcmread(BytesIO(rle)).pixel_array.tolist()
    if media_types is not None:
        one = client.retrieve_instance(*uids(1, 1, 1), media_types)
        assert one.file_meta.TransferSyntaxUID == expected
    assert client.retrieve_instance(*uids(1, 1, 1)).file_meta.TransferSyntaxUID == RLE
    if is_writable:
        assert [one.file_meta.TransferSyntaxUID for one in cache.iter_study(uids(1, 1, 1)[0], AS_STORED)] == [RLE]
        assert cache.retrieve_instance(*uids(1, 1, 1)).PixelData == dcmread(BytesIO(rle)).PixelData


def test_what_the_cache_cannot_make_or_has_not_stored_is_of_the_client_that_has_it(
    folder_client: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, web = folder_client("a"), folder_client("b")
    write(Path(web.base_url.removeprefix("file://")), {"rle": compressed(RLE)})
    web.update()
    # As a server does that says in its answer of status 200 or 202 that it refused all (PS3.18 section 10.5.3).
    monkeypatch.setattr(cache, "store_instances", lambda _: None)
    [found] = composed(cache, web, write_back=True).retrieve_series(*uids(1, 1, 1)[:2])
    assert found.file_meta.TransferSyntaxUID == EXPLICIT


def compressed(syntax: str) -> bytes:
    data_set = dcmread(BytesIO(stored(1, 1, 1)))
    data_set.compress(syntax, generate_instance_uid=False)
    stream = BytesIO()
    data_set.save_as(stream)
    return stream.getvalue()


def test_a_cache_that_cannot_keep_it_is_reported_only(folder_client: Make) -> None:
    client = composed(folder_client("a", readonly=True), folder_client("b", (1, 1, 1)), write_back=True)
    assert client.retrieve_instance(*uids(1, 1, 1)).SOPInstanceUID == uids(1, 1, 1)[2]
    assert [one.error.response.status_code for one in client.failures if isinstance(one.error, ClientError)] == [403]


FAILURES = [UnreachableError("down"), requests.ConnectionError("refused"), requests.Timeout(), OSError("no route")]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_a_client_that_fails_is_reported_and_the_others_answer(
    folder_client: Make, error: Exception, order: Order
) -> None:
    told: list[SourceFailure] = []
    failing = Failing(error)
    client = composed(failing, folder_client("b", (1, 1, 1)), **order, on_failure=told.append)
    assert len(client.search_for_studies()) == 1
    assert len(client.retrieve_study(uids(1, 1, 1)[0])) == 1
    assert failing.asked == 2
    assert told == client.failures == [SourceFailure("https://failing", error)] * 2


def test_a_failure_is_raised_if_all_fail_or_if_strict_or_if_the_others_lack_it(
    folder_client: Make, order: Order
) -> None:
    failing, other = Failing(UnreachableError("down")), folder_client("b", (1, 1, 1))
    for client in (composed(failing, failing, **order), composed(failing, other, strict=True)):
        with pytest.raises(UnreachableError):
            client.search_for_studies()
    with pytest.raises(UnreachableError):
        composed(failing, other, **order).retrieve_instance(*uids(7, 1, 1))


def test_a_wrong_call_is_an_error(folder_client: Make, order: Order) -> None:
    client = composed(folder_client("a", (1, 1, 1)), folder_client("b", (1, 1, 1)), **order)
    with pytest.raises(InvalidRequestError):
        client.retrieve_instance_frames(*uids(1, 1, 1), [0])
    with pytest.raises(InvalidRequestError):
        client.search_for_studies(search_filters={"SliceThickness": "1"})


def test_instances_are_stored_in_the_first_client_that_can(folder_client: Make) -> None:
    read_only, second = folder_client("a", readonly=True), folder_client("b")
    composed(read_only, second).store_instances([data_set_of(1, 1, 1)])
    assert len(second.search_for_instances()) == 1


def test_instances_are_deleted_from_all_clients(folder_client: Make) -> None:
    first, second = folder_client("a", (1, 1, 1)), folder_client("b", (1, 1, 1), (1, 1, 2))
    client = composed(first, second)
    client.delete_instance(*uids(1, 1, 1))
    client.delete_series(*uids(1, 1, 1)[:2])
    assert client.search_for_instances() == []
    with pytest.raises(UnreachableError):
        composed(folder_client("c", (1, 1, 1)), Failing(UnreachableError("down"))).delete_study(uids(1, 1, 1)[0])


def _frame(client: ComposedClient) -> bytes:
    return client.retrieve_instance_frames(*uids(2, 1, 1), [1])[0]


def test_threads_and_processes_use_it(folder_client: Make, order: Order) -> None:
    client = composed(folder_client("a", (1, 1, 1)), folder_client("b", (2, 1, 1)), **order)
    expected = _frame(client)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(_frame, [client] * 20)) == {expected}
    assert _frame(pickle.loads(pickle.dumps(client))) == expected  # noqa: S301 - its own
    with multiprocessing.get_context("fork").Pool(1) as processes:
        assert processes.apply(_frame, (client,)) == expected
