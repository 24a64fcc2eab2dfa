"""Each error knows the status that a client is told."""

from __future__ import annotations

import pytest
from framecache import errors


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.BadRequest, 400),
        (errors.NotFound, 404),
        (errors.NotAcceptable, 406),
        (errors.Overloaded, 503),
        (errors.HandOver, 307),
        (errors.SettingsError, 500),
        (errors.SourceError, 500),
        (errors.InstanceGone, 503),
        (errors.UnreadableHeader, 500),
        (errors.BrokenPixelData, 500),
    ],
)
def test_each_error_knows_its_status(error: type[errors.FrameCacheError], status: int) -> None:
    assert issubclass(error, errors.FrameCacheError)
    assert error("why").status == status
    assert str(error("why")) == "why"


def test_what_would_be_acceptable_is_kept_with_the_refusal() -> None:
    assert errors.NotAcceptable("no", ("image/jp2",)).available == ("image/jp2",)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            "Generic Azure error: Error performing GET https://a.blob.core.windows.net/b/k?sv=2024&sig=abc%3D in 10ms",
            "Generic Azure error: Error performing GET https://a.blob.core.windows.net/b/k in 10ms",
        ),
        ("cannot parse s3://user:secret@bucket/prefix", "cannot parse s3://bucket/prefix"),
        ("is it there? look at http://127.0.0.1:9000/bucket", "is it there? look at http://127.0.0.1:9000/bucket"),
    ],
)
def test_a_library_s_message_keeps_no_secret_of_a_url(message: str, told: str) -> None:
    assert errors.without_secrets(message) == told
