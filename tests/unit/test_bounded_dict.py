"""A bounded dictionary forgets its oldest entries, and no others."""

from __future__ import annotations

from framecache.bounded_dict import BoundedDict
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.integers(0, 9)), st.integers(1, 5))
def test_the_entries_that_were_set_last_stay(keys: list[int], most: int) -> None:
    bounded = BoundedDict[int, int](most)
    for value, key in enumerate(keys):
        bounded.pop(key, None)
        bounded[key] = value

    newest = list(dict.fromkeys(reversed(keys)))[:most]
    assert list(bounded) == newest[::-1]
    assert all(keys[value] == key for key, value in bounded.items())


def test_an_entry_that_is_set_anew_keeps_its_age() -> None:
    bounded = BoundedDict[str, int](2)
    bounded["a"], bounded["b"] = 1, 2
    bounded["a"] = 3
    bounded["c"] = 4

    assert dict(bounded) == {"b": 2, "c": 4}
