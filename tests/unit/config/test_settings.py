"""The "FrameCache" section: what is refused is refused with its key, its value and what is allowed."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
from framecache.config.reading import in_force, is_strict, lenient_admin_settings, read_settings
from framecache.config.settings import SETTINGS, RuleList
from framecache.declaration import Declaration, Flag, Number, Texts
from framecache.errors import SettingsError
from hypothesis import given
from hypothesis import strategies as st

BESIDE = Path("/beside/FrameCache")
NUMBERS = [(setting, setting.kind) for setting in SETTINGS.values() if isinstance(setting.kind, Number)]
EVERY = list(SETTINGS.values())
PLAIN = [setting for setting in EVERY if not isinstance(setting.kind, RuleList | Texts)]


def type_of(setting: Declaration) -> type[Any]:
    if isinstance(setting.kind, Number):
        return setting.kind.kind
    return bool if isinstance(setting.kind, Flag) else str


def by_key(value: object) -> str:
    return value.name if isinstance(value, Declaration) else ""


def test_an_empty_section_means_the_defaults() -> None:
    settings = read_settings({}, BESIDE)

    assert settings.directory == BESIDE
    assert in_force(settings) == {
        setting.name: str(BESIDE) if name == "directory" else setting.default for name, setting in SETTINGS.items()
    }


@pytest.mark.parametrize("setting", EVERY, ids=by_key)
def test_each_default_may_be_written_out(setting: Declaration) -> None:
    assert read_settings({setting.name: setting.default}, BESIDE) == read_settings({}, BESIDE)


@pytest.mark.parametrize("setting", EVERY, ids=by_key)
def test_each_setting_has_a_meaning(setting: Declaration) -> None:
    assert len(setting.meaning) > 10


@pytest.mark.parametrize(("setting", "number"), NUMBERS, ids=by_key)
def test_both_bounds_are_allowed(setting: Declaration, number: Number) -> None:
    for bound in (number.smallest, number.largest):
        settings = read_settings({setting.name: number.kind(bound)}, BESIDE)
        assert in_force(settings)[setting.name] == bound


@pytest.mark.parametrize(("setting", "number"), NUMBERS, ids=by_key)
@pytest.mark.parametrize("beyond", [-1, 1])
def test_beyond_the_bounds_is_refused(setting: Declaration, number: Number, beyond: int) -> None:
    value = number.kind(number.largest + 1 if beyond > 0 else number.smallest - 1)

    with pytest.raises(SettingsError) as refused:
        read_settings({setting.name: value}, BESIDE)
    assert f'"{setting.name}" is {value!r}' in str(refused.value)
    assert f"from {number.smallest} to {number.largest}" in str(refused.value)


def wrong_values(setting: Declaration) -> list[Any]:
    wrong: list[Any] = [None, [], {}, [setting.default], "yes" if type_of(setting) is not str else 1]
    if type_of(setting) is not bool:
        wrong += [True, False]  # JSON's true is not the number 1
    else:
        wrong += [0, 1, "true"]
    if type_of(setting) is int:
        wrong += [1.0, 64.5, "64"]
    if type_of(setting) is float:
        wrong += [math.nan, math.inf, -math.inf, 10**400]
    return wrong


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        pytest.param(setting, value, id=f"{setting.name}-{str(value)[:20]}")
        for setting in PLAIN
        for value in wrong_values(setting)
    ],
)
def test_a_wrong_type_is_refused(setting: Declaration, value: Any) -> None:
    with pytest.raises(SettingsError, match=f'"{setting.name}" is .*allowed is {re.escape(setting.allowed)}'):
        read_settings({setting.name: value}, BESIDE)


@pytest.mark.parametrize("mode", ["Copy", "", "copy ", "hardlink"])
def test_a_mode_that_does_not_exist_is_refused_and_those_that_do_are_named(mode: str) -> None:
    with pytest.raises(SettingsError, match=f'"Mode" is {mode!r}; allowed is "copy" or "index" or "auto"'):
        read_settings({"Mode": mode}, BESIDE)
    assert read_settings({"Mode": "auto"}, BESIDE).mode == "auto"


def test_a_whole_number_does_where_a_number_is_asked_for() -> None:
    settings = read_settings({"MinimumFrameMB": 3}, BESIDE)

    assert settings.minimum_frame_mb == 3.0
    assert type(settings.minimum_frame_mb) is float


@pytest.mark.parametrize("key", ["maximumSizeMB", "MaximumSizeGB", "Enabled", "", "enable"])
def test_an_unknown_key_is_refused_and_the_known_ones_are_named(key: str) -> None:
    with pytest.raises(SettingsError, match=f'"{key}" is not known; known are .*MaximumSizeMB'):
        read_settings({key: 1}, BESIDE)


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"Workers": 0, "Enable": 1, "Wrokers": 2, "Directory": None}, BESIDE)

    for complaint in ('"Workers" is 0', '"Enable" is 1', '"Wrokers" is not known', '"Directory" is None'):
        assert complaint in str(refused.value)


@pytest.mark.parametrize("section", [None, [], "on", 1, True])
def test_a_section_that_is_no_object_is_refused(section: object) -> None:
    with pytest.raises(SettingsError, match="must be an object"):
        read_settings(section, BESIDE)
    assert not is_strict(section)


@pytest.mark.parametrize(
    ("value", "strict"), [(True, True), (False, False), (1, False), ("true", False), (None, False)]
)
def test_strict_is_known_before_the_rest_is_right(value: object, *, strict: bool) -> None:
    assert is_strict({"Strict": value, "Workers": "many"}) is strict


def test_a_directory_that_is_given_is_taken() -> None:
    assert read_settings({"Directory": "/ssd/frames"}, BESIDE).directory == Path("/ssd/frames")


def test_a_relative_directory_counts_from_the_configuration_as_orthanc_s_own_do() -> None:
    assert read_settings({"Directory": "frames"}, BESIDE, Path("/etc/orthanc")).directory == Path("/etc/orthanc/frames")
    assert read_settings({"Directory": "/ssd"}, BESIDE, Path("/etc/orthanc")).directory == Path("/ssd")
    assert read_settings({}, BESIDE, Path("/etc/orthanc")).directory == BESIDE


@pytest.mark.parametrize("value", ["alice", ["alice", 1], [""], [["alice"]], {"alice": 1}, None, True])
def test_what_is_no_list_of_names_is_refused(value: object) -> None:
    with pytest.raises(SettingsError, match=r'"AdminUsers" is .*allowed is a list of texts'):
        read_settings({"AdminUsers": value}, BESIDE)


@pytest.mark.parametrize(
    ("section", "wanted", "users"),
    [
        ({}, True, ()),
        ("on", True, ()),
        ({"AdminRoutes": False}, False, ()),
        ({"AdminRoutes": "no"}, False, ()),
        ({"AdminUsers": []}, True, ()),
        ({"AdminUsers": ["alice"]}, True, ("alice",)),
        ({"AdminUsers": "alice"}, True, ("alice",)),
        ({"AdminUsers": [[]]}, True, ("[]",)),
        ({"AdminUsers": {}}, True, ("{}",)),
    ],
)
def test_a_wrong_section_opens_the_admin_routes_to_nobody_else(
    section: object, users: tuple[str, ...], *, wanted: bool
) -> None:
    assert lenient_admin_settings(section) == (wanted, users)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(sorted(setting.name for setting in EVERY)) | st.text()


@given(st.dictionaries(KEYS, JSON) | JSON)
def test_whatever_is_configured_is_taken_or_refused(section: object) -> None:
    try:
        settings = read_settings(section, BESIDE)
    except SettingsError:
        return
    for name, setting in SETTINGS.items():
        value = getattr(settings, name)
        assert setting not in PLAIN or type(value) is type_of(setting) or isinstance(value, Path)
        if isinstance(setting.kind, Number):
            assert setting.kind.smallest <= value <= setting.kind.largest


@pytest.mark.parametrize("hours", ["19-6", "25:00-06:00", "19:00 - 06:00"])
def test_hours_that_are_none_are_refused(hours: str) -> None:
    with pytest.raises(SettingsError, match=rf'"BackfillHours" is {hours!r}; allowed is .*19:00-06:00'):
        read_settings({"BackfillHours": hours}, BESIDE)
    assert read_settings({"BackfillHours": "19:00-06:00"}, BESIDE).backfill_hours == "19:00-06:00"
