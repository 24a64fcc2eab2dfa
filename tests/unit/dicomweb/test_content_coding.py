"""Whether a client takes gzip."""

from __future__ import annotations

import pytest
from framecache.dicomweb.content_coding import accepts_gzip
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        (None, False),
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("br, gzip;q=0.5", True),
        ("gzip, deflate, br, zstd", True),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("gzip;q=1.0", True),
        ("gzip;q=..", False),
        ("deflate, *;q=0.1", True),
        ("nonsense;;, gzip", True),
    ],
)
def test_gzip_is_taken_where_it_is_named_or_covered_and_not_refused(header: str | None, *, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


@given(st.text(max_size=50))
def test_whatever_a_client_sends_is_understood(header: str) -> None:
    assert accepts_gzip(header) in (True, False)
