"""A value is declared once: its check, its message and its schema agree."""

from __future__ import annotations

from typing import Any

import pytest
from framecache.declaration import Declaration, Enumeration, Flag, Kind, Number, Text, Texts
from framecache.errors import BadRequest, SettingsError
from hypothesis import given
from hypothesis import strategies as st

NAMES = Texts(Text("a name", bool), "a name, or a list of such", empty=False, one_alone=True)

# A kind, what JSON may have and what that means, what it may not have.
VALUES: tuple[tuple[Kind, Any, Any, tuple[Any, ...]], ...] = (
    (Number(int, 1, 9), 9, 9, (0, 10, 1.0, True, "1", None)),
    (Number(float, 0, 1), 1, 1.0, (-0.1, float("nan"), 10**400, True, "1")),
    (Enumeration(("a", "b")), "b", "b", ("c", "", None, ["a"])),
    (Flag(), True, True, (1, "true", None)),
    (Text(), "", "", (1, None, [])),
    (NAMES, "x", ("x",), ("", [], [""], 1, None)),
    (NAMES, ["x", "y"], ("x", "y"), ([1], {"x": "y"})),
    (Texts(Text(), "texts"), [], (), ("x", None, [1])),
)


@pytest.mark.parametrize(("kind", "written", "value", "wrong"), VALUES)
def test_what_is_allowed_is_taken_and_all_else_is_refused_with_what_is(
    kind: Kind, written: Any, value: Any, wrong: tuple[Any, ...]
) -> None:
    declaration = Declaration("Name", kind)

    assert declaration.check(written) == value
    assert type(declaration.check(written)) is type(value)
    for one in wrong:
        with pytest.raises(SettingsError) as refused:
            declaration.check(one)
        assert str(refused.value) == f'"Name" is {one!r}; allowed is {kind.allowed}'


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [(Number(int, 1, 9), "9", 9), (Enumeration(("a",)), "a", "a"), (Flag(), "false", False), (Text(), "x", "x")],
)
def test_the_same_is_read_from_a_query(kind: Kind, text: str, value: object) -> None:
    assert Declaration("name", kind).read(text) == value


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for kind in (Number(int, 1, 9), Number(float, 0, 5), Enumeration(("a", "b")), Flag(), NAMES):
        try:
            value = Declaration("name", kind).read(text)
        except BadRequest:
            continue
        assert Declaration("name", kind).check(list(value) if kind is NAMES else value) == value


@pytest.mark.parametrize("kind", [row[0] for row in VALUES])
def test_its_schema_has_its_default(kind: Kind) -> None:
    assert "default" not in Declaration("name", kind).schema()
    assert Declaration("name", kind, 5).schema() == {**kind.schema(), "default": 5}
