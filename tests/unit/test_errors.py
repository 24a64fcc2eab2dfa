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
