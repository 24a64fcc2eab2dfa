"""How values of a search match: the table of PS3.4 section C.2.2.2, row by row."""

from __future__ import annotations

import pytest
from framecache.dicomweb.matching import Empty, criterion, key_of, similar
from framecache.errors import BadRequest
from hypothesis import given
from hypothesis import strategies as st

# VR, what is asked for, a value, whether it matches.
TABLE = [
    ("LO", "P1", "P1", True),
    ("LO", "P1", "P12", False),
    ("LO", "p1", "P1", False),  # only names match in any case
    ("LO", "P*", "P12", True),
    ("LO", "P?", "P12", False),
    ("LO", "P?2", "P12", True),
    ("LO", "*2", "P12", True),
    ("LO", "a[b]*", "a[b]c", True),
    ("LO", "a[b]*", "abc", False),
    ("LO", "a.c", "abc", False),
    ("PN", "DOE^JOHN", "Doe^John", True),
    ("PN", "doe^john^^^", "Doe^John", True),
    ("PN", "do*", "Doe^John", True),
    ("PN", "doe", "Doe^John", False),
    ("PN", "müller*", "MÜLLER^Eva", True),
    ("UI", "1.2,1.3", "1.3", True),
    ("UI", "1.2\\1.3", "1.3", True),
    ("UI", "1.2", "1.20", False),
    ("CS", "CT,MR", "MR", True),
    ("CS", "C*", "CT", True),
    ("IS", "7", "007", True),
    ("IS", "+7", "7", True),
    ("IS", "7", "70", False),
    ("US", "512", "512", True),
    ("DA", "20200102", "20200102", True),
    ("DA", "2020.01.02", "20200102", True),
    ("DA", "20200101-20200131", "20200102", True),
    ("DA", "20200101-20200131", "20200131", True),
    ("DA", "20200101-20200131", "20200201", False),
    ("DA", "20200101-", "20991231", True),
    ("DA", "-20200101", "20200102", False),
    ("DA", "-20200101", "19000101", True),
    ("DA", "-20200101", "", False),
    ("DA", "20200101 - 20200131", "20200102", True),
    ("TM", "1030", "103000", True),
    ("TM", "10:30:00", "103000", True),
    ("TM", "10-11", "115959.9", True),
    ("TM", "1000-1100", "110059", True),
    ("TM", "1000-1100", "1101", False),
    ("TM", "-0900", "085959", True),
    ("DT", "20200101120000", "20200101120000.000000", True),
    ("DT", "20200101-20200102", "20200102235959", True),
    ("DT", "20200101120000+0100", "20200101110000+0000", True),
    ("DT", "20200101120000-0500", "20200101170000+0000", True),
    ("DT", "2019-2021", "2020", True),
    ("DT", "20200101120000+0100-", "20200101105959+0000", False),
]


@pytest.mark.parametrize(("vr", "asked", "value", "is_match"), TABLE)
def test_a_value_matches_as_the_standard_says(vr: str, asked: str, value: str, is_match: bool) -> None:  # noqa: FBT001
    found = criterion(vr, asked)
    assert found is not None
    assert found.matches([key_of(vr, value)]) is is_match


@pytest.mark.parametrize(("vr", "asked"), [("LO", ""), ("LO", "*"), ("PN", "**"), ("DA", ""), ("UI", ""), ("CS", "*")])
def test_universal_matching_asks_nothing(vr: str, asked: str) -> None:
    assert criterion(vr, asked) is None


@pytest.mark.parametrize(
    ("vr", "asked"),
    [
        ("DA", "yesterday"),
        ("DA", "2020*"),
        ("DA", "20200101-20200102-20200103"),
        ("DA", "-"),
        ("TM", "noon"),
        ("DT", "20200101-x"),
        ("IS", "seven"),
        ("IS", "7*"),
        ("UI", "1.2.*"),
        ("US", "*1"),
        ("CS", "C*,M*"),
    ],
)
def test_what_cannot_be_a_value_is_refused(vr: str, asked: str) -> None:
    with pytest.raises(BadRequest):
        criterion(vr, asked)


@pytest.mark.parametrize(
    ("asked", "name", "is_match"),
    [
        ("jon smith", "Smith^John", True),
        ("Smyth", "Smith^John", True),
        ("müller", "Mueller^Eva", True),
        ("Muller", "Müller^Eva", True),
        ("eva mul", "Müller^Eva", True),
        ("Schmitd", "Schmidt^Hans", True),
        ("Schulz", "Schmidt^Hans", False),
        ("Li", "Le^An", False),
        ("yamada", "Yamada^Tarou=山田^太郎", True),
        ("山田", "Yamada^Tarou=山田^太郎", True),
    ],
)
def test_fuzzy_matching_finds_names_that_are_nearly_the_same(asked: str, name: str, is_match: bool) -> None:  # noqa: FBT001
    keys = key_of("PN", name).split("=")
    assert similar(asked).matches(keys) is is_match


def test_empty_value_matching_finds_what_has_no_value() -> None:
    assert Empty().matches([])
    assert Empty().matches([""])
    assert not Empty().matches(["CT"])


def test_multiple_value_matching_wants_all_values() -> None:
    asked = criterion("CS", "CT\\PT", is_multiple=True)
    assert asked is not None
    assert asked.matches(["PT", "CT", "SR"])
    assert not asked.matches(["CT"])


@given(st.sampled_from(["LO", "PN", "DA", "TM", "DT", "IS", "UI", "CS", "US"]), st.text(max_size=40))
def test_any_text_is_a_criterion_or_refused(vr: str, text: str) -> None:
    try:
        found = criterion(vr, text)
    except BadRequest:
        return
    if found is not None:
        found.matches([key_of(vr, "1"), key_of(vr, text)])
