"""What is found among the columns of an index is what the criterion says of each."""

from __future__ import annotations

from framecache.client.index.criteria import StoredAs, similar_columns
from framecache.dicomweb.matching import key_of, similar
from hypothesis import given
from hypothesis import strategies as st

WORDS = st.sampled_from(["smith", "smyth", "jon", "john", "müller", "muller", "van", "de", "alexander", "aleksandr"])
NAMES = st.lists(WORDS, max_size=3).map(lambda words: key_of("PN", "^".join(words)))
COLUMNS = st.lists(NAMES, min_size=1, max_size=3).map("\\".join)


@given(asked=NAMES, columns=st.lists(COLUMNS, max_size=8))
def test_similar_columns_are_those_whose_names_match(asked: str, columns: list[str]) -> None:
    criterion = similar(asked)
    expected = tuple(one for one in columns if criterion.matches(one.split("\\")))
    found = similar_columns(criterion, columns)
    assert found == StoredAs(expected)
    assert all(found.matches(one.split("\\")) is (one in expected) for one in columns)
