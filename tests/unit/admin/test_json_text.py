"""JSON from outside is read as the standard library does it, and never deeper than an HTTP thread has stack for."""

from __future__ import annotations

import json
import time

import pytest
from framecache.admin.area import read_json
from hypothesis import given
from hypothesis import strategies as st

_SCALARS = st.none() | st.booleans() | st.integers() | st.text()
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(_VALUES)
def test_a_value_is_read(value: object) -> None:
    assert read_json(json.dumps(value)) == value
    assert read_json(json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")) == value


@pytest.mark.parametrize("text", ["[" * 32 + "]" * 32, '"' + "[" * 1000 + '"', '{"a\\"[[": "]]{{\\\\"}' * 1, "[[],[]]"])
def test_brackets_in_strings_and_side_by_side_are_not_deep(text: str) -> None:
    assert read_json(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 33 + "]" * 33,
        "[" * 100_000,
        '{"a":' * 100_000,
        "[[{" * 500,
        '{"a": "\\"", "b": ' + "[" * 500,
        '{"a": "]]]]]]]]]]", "b": ' + "[" * 500,
        "]" * 500 + "[" * 500,
        '"' + '\\"' * 200_000,
        '[""' * 500,
        "1" * (1 << 21),
        "",
        "{",
        "[1",
    ],
)
def test_what_is_too_deep_too_long_or_no_json_is_refused_at_once(text: str) -> None:
    begun = time.thread_time()
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever kind
        read_json(text)
    assert time.thread_time() - begun < 2
