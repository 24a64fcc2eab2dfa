"""Arguments of a query, decoded by Orthanc or not, on to the stock plugin."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

import pytest
from framecache.dicomweb.url import decoded, encoded
from hypothesis import given
from hypothesis import strategies as st

ACCEPT = "multipart/related; type=image/jp2"


@pytest.mark.parametrize(
    "arguments",
    [
        {"accept": ACCEPT, "token": "a=b&c"},
        {"accept": "multipart%2Frelated%3B+type%3Dimage%2Fjp2", "token": "a%3Db%26c"},
    ],
    ids=["decoded by Orthanc", "as the client sent them"],
)
def test_arguments_mean_the_same_however_orthanc_hands_them_over(arguments: dict[str, str]) -> None:
    meant = {"accept": ACCEPT, "token": "a=b&c"}

    assert decoded(arguments) == meant
    assert dict(parse_qsl(encoded(arguments))) == meant


def test_no_arguments_are_no_query() -> None:
    assert encoded({}) == ""
    assert decoded({}) == {}


@pytest.mark.parametrize("value", ["%41\r\nSet-Cookie: a=b", "%41 b", "%41\x00", "%41é", "%41#x"])
def test_a_header_cannot_be_smuggled_in(value: str) -> None:
    """An escaped escape is decoded once by Orthanc, and then looks as if nothing had been decoded."""
    query = encoded({"a": value})

    assert query.isascii()
    assert query.isprintable()
    assert not set(query) & set(" \r\n#")
    assert unquote(query).startswith("a=A")


@given(st.dictionaries(st.text(), st.text()))
def test_any_arguments_are_safe_in_a_header(arguments: dict[str, str]) -> None:
    try:
        query = encoded(arguments)
    except UnicodeEncodeError:  # lone surrogates do not come over HTTP
        return
    assert query.isascii()
    assert query == "" or query.isprintable()
