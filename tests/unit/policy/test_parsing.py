"""The setting "Rules": what is wrong with a rule is said with its number, key, value and what is allowed."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from framecache.config.reading import in_force, read_settings
from framecache.errors import SettingsError
from framecache.policy.keys import CONDITIONS, DECISIONS
from framecache.policy.parsing import parse_rules, parse_transcode
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fakes import instance

UID = "1.2.840.10008.5.1.4.1.1.13.1.3"
KNOWN = ["Modality", "SOPClassUID", "RemoteAET", "MinimumFrames", "MaximumStudyAgeDays", "Extract", "KeepDays"]

# A value, and what has to be said of it.
WRONG: tuple[tuple[str, object, str], ...] = (
    ("Modality", "mg", "'mg'; allowed is a code such as \"MG\", or a list of such"),
    ("Modality", ["MG", 7], "['MG', 7]; allowed is a code"),
    ("Modality", [], "[]; allowed is a code"),
    ("Modality", "", "''; allowed is a code"),
    ("Modality", None, "None; allowed is a code"),
    ("SOPClassUID", "Mammography", "'Mammography'; allowed is a UID such as"),
    ("TransferSyntaxUID", ["1.2..3"], "['1.2..3']; allowed is a UID"),
    ("StationName", "A" * 17, "allowed is a text of 1 to 16 characters"),
    ("StationName", " MAMMO", "' MAMMO'; allowed is a text"),
    ("RemoteAET", "A\\B", "allowed is a text of 1 to 16 characters, or a list of such"),
    ("MinimumFrames", 0, "0; allowed is a whole number from 1 to 1000000"),
    ("MaximumFrames", 2.5, "2.5; allowed is a whole number"),
    ("MinimumFrameMB", "4", "'4'; allowed is a number from 0 to 1000000"),
    ("MaximumFrameMB", True, "True; allowed is a number from 0"),
    ("MinimumStudyAgeDays", -1, "-1; allowed is a number from 0 to 36500"),
    ("MaximumStudyAgeDays", [1], "[1]; allowed is a number from 0"),
    ("Extract", False, 'False; allowed is "arrival" or "demand" or "never"'),
    ("Form", "HTJ2k", '\'HTJ2k\'; allowed is "stored" or "index" or "HTJ2K"'),
    ("Priority", 1, '1; allowed is "high" or "normal" or "low"'),
    ("KeepDays", "30", "'30'; allowed is a number from 0 to 36500"),
    ("Archive", True, 'True; allowed is "arrival" or "demand" or "never"'),
)
# Of the same keys, what may be written.
RIGHT: tuple[tuple[str, object], ...] = (
    ("Modality", "MG"),
    ("Modality", ["MG", "XA"]),
    ("SOPClassUID", UID),
    ("TransferSyntaxUID", [UID, "1.2"]),
    ("StationName", "Mammo 1"),
    ("RemoteAET", ["MAMMO_1"]),
    ("MinimumFrames", 1),
    ("MaximumFrames", 1_000_000),
    ("MinimumFrameMB", 0.5),
    ("MaximumFrameMB", 4),
    ("MinimumStudyAgeDays", 0),
    ("MaximumStudyAgeDays", 365),
    ("Extract", "never"),
    ("Form", "HTJ2K"),
    ("Priority", "low"),
    ("KeepDays", 0),
    ("Archive", "never"),
)


@pytest.mark.parametrize(("key", "value", "complaint"), WRONG)
def test_a_wrong_value_is_refused_with_the_number_of_its_rule(key: str, value: object, complaint: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(complaint)) as refused:
        parse_rules([{"Modality": "CT"}, {key: value}])
    assert str(refused.value).startswith(f'rule 2 of "Rules": "{key}" is ')


@pytest.mark.parametrize(("key", "value"), RIGHT)
def test_what_is_allowed_is_read_and_shown_as_it_was_written(key: str, value: object) -> None:
    settings = read_settings({"Rules": [{key: value}]}, Path("/beside"))

    assert in_force(settings)["Rules"] == [{key: value}]


def test_each_key_is_tried_with_a_right_value_and_a_wrong_one() -> None:
    assert {key for key, _ in RIGHT} == {key for key, _, _ in WRONG} == {*CONDITIONS, *DECISIONS}


@pytest.mark.parametrize("value", [None, {}, "MG", {"Modality": "MG"}, 1, True])
def test_what_is_no_list_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(
        SettingsError, match=r'"Rules" is .*; allowed is a list of rules such as \[{"Modality": "MG"}\]'
    ):
        parse_rules(value)


@pytest.mark.parametrize("value", [None, [], "MG", 1])
def test_a_rule_that_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(SettingsError, match=r'rule 1 of "Rules": it is .*allowed is an object with Modality, '):
        parse_rules([value])


def test_an_unknown_key_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(
        SettingsError, match='rule 1 of "Rules": "Modalities" is not known; known are Modality, '
    ) as refused:
        parse_rules([{"Modalities": ["MG"]}])
    assert all(key in str(refused.value).partition("known are")[2] for key in KNOWN)


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        parse_rules([{"Modality": 1, "Form": 2}, {}, {"Modalty": "MG"}])

    for complaint in ('rule 1 of "Rules": "Modality" is 1', '"Form" is 2', 'rule 3 of "Rules": "Modalty" is not known'):
        assert complaint in str(refused.value)


@pytest.mark.parametrize("what", ["Frames", "FrameMB", "StudyAgeDays"])
def test_bounds_that_nothing_is_within_are_refused(what: str) -> None:
    with pytest.raises(SettingsError, match=f'"Minimum{what}" is 3 and "Maximum{what}" is 2: no instance is both'):
        parse_rules([{f"Minimum{what}": 3, f"Maximum{what}": 2}])
    assert parse_rules([{f"Minimum{what}": 3, f"Maximum{what}": 3}])


def test_rules_and_their_shorthand_are_not_set_both() -> None:
    with pytest.raises(SettingsError, match=r'"Rules" and "Transcode" are both set; .*"Form": "HTJ2K"'):
        read_settings({"Rules": [{}], "Transcode": [{}]}, Path("/beside"))


@pytest.mark.parametrize(
    ("item", "complaint"),
    [
        ({"Modalities": ["mg"]}, '"Modalities" is'),
        ({"SopClasses": ["MG"]}, '"SopClasses" is'),
        ({"TransferSyntaxes": 7}, '"TransferSyntaxes" is 7'),
        ({"MinimumFrameMB": -1}, '"MinimumFrameMB" is -1'),
        ({"Modality": "MG"}, '"Modality" is not known; known are Modalities, SopClasses, TransferSyntaxes, MinimumF'),
        ("MG", "it is 'MG'"),
    ],
)
def test_a_wrong_shorthand_is_refused_by_its_own_keys(item: object, complaint: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f'rule 1 of "Transcode": {complaint}')):
        parse_transcode([item])


def test_the_shorthand_is_rules_for_htj2k_and_an_empty_list_in_it_is_no_condition() -> None:
    written = [{"Modalities": ["MG"], "MinimumFrameMB": 1}, {"SopClasses": []}]
    first, second = parse_transcode(written)
    (same,) = parse_rules([{"Modality": ["MG"], "MinimumFrameMB": 1, "Form": "HTJ2K"}])

    assert (first.conditions, first.form, second.conditions) == (same.conditions, "HTJ2K", ())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ANY_RULE = st.dictionaries(st.sampled_from([*CONDITIONS, *DECISIONS]) | st.text(), JSON, max_size=5)


def complaint_of(value: Any) -> str | None:
    """What is said of `value`, or None if it is taken; then its rules decide about an instance."""
    try:
        rules = parse_rules(value)
    except SettingsError as error:
        return str(error)
    assert len(rules) == len(value)
    assert all(rule.matches(instance(), date(2026, 1, 1)) in (True, False) for rule in rules)
    return None


@given(st.lists(ANY_RULE | JSON, max_size=3) | JSON)
def test_whatever_is_written_is_refused_with_a_message_or_decides_about_an_instance(value: Any) -> None:
    complaint = complaint_of(value)

    assert complaint is None or any(words in complaint for words in ("allowed is", "known are", "no instance is both"))


RIGHT_RULES = st.lists(st.lists(st.sampled_from(RIGHT), max_size=6).map(dict), max_size=4)


@given(RIGHT_RULES)
def test_rules_of_right_values_are_read(value: list[dict[str, object]]) -> None:
    assert [rule.written for rule in parse_rules(value)] == value
