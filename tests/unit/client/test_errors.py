"""One tree of errors that programs written for dicomweb-client catch as before."""

from __future__ import annotations

import pickle

import pytest
import requests
from framecache import errors
from framecache.client import (
    ClientError,
    ForbiddenError,
    InvalidRequestError,
    NotAcceptableError,
    NotFoundError,
    UnreachableError,
    UnreadableError,
)
from framecache.client.errors import as_client_errors, error_of, without_login

URL = "file:///images/studies/1.2"


@pytest.mark.parametrize(
    ("raised", "kind", "status"),
    [
        (errors.BadRequest("so"), InvalidRequestError, 400),
        (errors.Forbidden("so"), ForbiddenError, 403),
        (errors.NotFound("so"), NotFoundError, 404),
        (errors.NoPixelData(), NotFoundError, 404),
        (errors.NotAcceptable("so", ("image/jpeg",)), NotAcceptableError, 406),
        (errors.BrokenPixelData("so"), UnreadableError, 500),
        (errors.HandOver("so"), UnreadableError, 500),
        (errors.InstanceGone("so"), UnreachableError, 503),
        (PermissionError(13, "so"), ForbiddenError, 403),
        (OSError(5, "so"), UnreachableError, 503),
    ],
)
def test_errors_have_the_status_that_a_server_would_answer_with(
    raised: Exception, kind: type[ClientError], status: int
) -> None:
    with pytest.raises(requests.HTTPError) as caught, as_client_errors(URL):
        raise raised
    assert type(caught.value) is kind
    assert caught.value.response.status_code == status
    assert URL in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "other"),
    [(InvalidRequestError, ValueError), (InvalidRequestError, TypeError), (NotAcceptableError, ValueError)],
)
def test_what_dicomweb_client_raises_before_it_asks_is_caught_as_such(
    kind: type[ClientError], other: type[Exception]
) -> None:
    with pytest.raises(other):
        raise kind("so")


def test_what_is_acceptable_is_told_and_survives_a_process_boundary() -> None:
    with pytest.raises(NotAcceptableError) as caught, as_client_errors(URL):
        raise errors.NotAcceptable("so", ("image/jpeg",))
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    assert (copy.available, copy.url, copy.response.status_code) == (("image/jpeg",), URL, 406)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, ForbiddenError),
        (410, NotFoundError),
        (418, InvalidRequestError),
        (502, UnreachableError),
        (501, UnreadableError),
    ],
)
def test_any_status_of_http_is_one_of_them(status: int, kind: type[ClientError]) -> None:
    assert type(error_of(status, "so")) is kind


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@host:8042/dicom-web", "https://host:8042/dicom-web"),
        ("https://user:s@cret@host", "https://host"),
        ("https://host/studies/a@b", "https://host/studies/a@b"),
        ("file:///data/a@b", "file:///data/a@b"),
        ("", ""),
    ],
)
def test_messages_and_logs_have_no_login(url: str, shown: str) -> None:
    assert without_login(url) == shown
