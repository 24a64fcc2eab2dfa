"""JSON with comments, read and changed in place."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from framecache.errors import SettingsError
from framecache.installation.json_text import JsonText
from hypothesis import given, settings
from hypothesis import strategies as st

COMMENTED = """{
  /** The name. **/
  "Name" : "a // name /* of */ \\"it\\"",  // shown in the page
  "Port": ${PORT}, "Url": "${URL:-http://x}",
  "Nested": { "List": [1, -2.5e3, true, null,], /* nothing */ },
}
"""
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), VALUES)

# The text, and what its error has to say.
WRONG = [
    ("", "line 1: an object"),
    ("[]", "line 1: an object"),
    ("{\n", "line 2: a text in quotation marks"),
    ('{"a": 1,\n "a": 2}', 'line 2: "a" is there twice'),
    ('{"a" 1}', "line 1: : is expected"),
    ('{"a": 1 "b": 2}', "line 1: , is expected"),
    ('{"a": nothing}', "nothing is no value"),
    ('{"a": }', "a value is expected"),
    ('{"a": 1}\n}', "line 2: something follows"),
    ('{"a": "b}', "a text in quotation marks"),
    ('{"a": /* 1}', "a value is expected"),
    ('{"a": ' + "[" * 100_000, "nested too deeply"),
]


def test_comments_variables_and_commas_at_the_end_are_read_as_orthanc_does() -> None:
    assert JsonText(COMMENTED).value == {
        "Name": 'a // name /* of */ "it"',
        "Port": "${PORT}",
        "Url": "${URL:-http://x}",
        "Nested": {"List": [1, -2500.0, True, None]},
    }


@pytest.mark.parametrize(("text", "message"), WRONG, ids=range(len(WRONG)))
def test_what_cannot_be_read_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message.replace("{", r"\{")):
        JsonText(text)


@pytest.mark.parametrize(
    ("keys", "value", "line"),
    [
        (["Name"], "new", '  "Name" : "new",  // shown in the page'),
        (["Port"], 80, '  "Port": 80, "Url": "${URL:-http://x}",'),
        (["Nested", "List"], [], '  "Nested": { "List": [], /* nothing */ },'),
        (["Nested", "More"], 1, '    "More": 1, "List": [1, -2.5e3, true, null,], /* nothing */ },'),
        (["Other", "Inner"], 1, '    "Inner": 1'),
        (["Port", "Inner"], 1, '    "Inner": 1'),
    ],
)
def test_a_change_leaves_all_else_as_it_was_typed(keys: list[str], value: object, line: str) -> None:
    changed = JsonText(COMMENTED).with_value(keys, value)
    assert line in changed.text.splitlines()
    assert found(changed.value, keys) == value
    kept = [one for one in COMMENTED.splitlines() if keys[0] not in one]
    assert [one for one in changed.text.splitlines() if one in kept] == kept


@settings(max_examples=40)
@given(OBJECTS)
def test_all_of_json_is_read(value: dict[str, Any]) -> None:
    assert JsonText(json.dumps(value)).value == value
    assert JsonText(json.dumps(value, indent=3, ensure_ascii=False)).value == value


@settings(max_examples=40)
@given(OBJECTS, st.lists(st.text(), min_size=1, max_size=3), VALUES)
def test_a_change_changes_one_place(value: dict[str, Any], keys: list[str], new: object) -> None:
    changed = JsonText(json.dumps(value, indent=2)).with_value(keys, new).value
    assert found(changed, keys) == new
    assert {key: one for key, one in changed.items() if key != keys[0]} == {
        key: one for key, one in value.items() if key != keys[0]
    }


@given(st.text(alphabet='{}[]",:/*\n\\ $a1-') | st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(SettingsError):
        assert isinstance(JsonText(text).value, dict)


def found(value: Any, keys: list[str]) -> Any:
    for key in keys:
        value = value[key]
    return value
