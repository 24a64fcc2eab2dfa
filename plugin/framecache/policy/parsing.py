"""Parses rules from the settings, or reports all their errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from framecache.declaration import Declaration
from framecache.errors import SettingsError
from framecache.policy.keys import CONDITIONS, DECISIONS, ConditionKey
from framecache.policy.rule import Rule

_ATTRIBUTES = MappingProxyType(
    {"Extract": "extract", "Form": "form", "Priority": "priority", "KeepDays": "keep_days", "Archive": "archive"}
)
_BOUNDED = ("Frames", "FrameMB", "StudyAgeDays")
# "Transcode" is older than "Rules" and has names of its own.
_SHORTHAND: Mapping[str, str] = MappingProxyType(
    {
        "Modalities": "Modality",
        "SopClasses": "SOPClassUID",
        "TransferSyntaxes": "TransferSyntaxUID",
        "MinimumFrameMB": "MinimumFrameMB",
    }
)


def parse_rules(value: object) -> tuple[Rule, ...]:
    """From the setting "Rules". Raises SettingsError with rule, key, value and allowed values of each error."""
    return _parse_all("Rules", value, _rule, '[{"Modality": "MG"}]')


def parse_transcode(value: object) -> tuple[Rule, ...]:
    """From the setting "Transcode": rules with "Form": "HTJ2K". Raises SettingsError."""
    return _parse_all("Transcode", value, _shorthand, '[{"MinimumFrameMB": 1}]')


def _parse_all(name: str, value: object, parse: Callable[[object], Rule], example: str) -> tuple[Rule, ...]:
    if not isinstance(value, list):
        raise SettingsError(f'"{name}" is {value!r}; allowed is a list of rules such as {example}')
    rules, complaints = list[Rule](), list[str]()
    for number, item in enumerate(value, 1):
        try:
            rules.append(parse(item))
        except SettingsError as error:
            complaints.append(f'rule {number} of "{name}": {error}')
    if complaints:
        raise SettingsError("; ".join(complaints))
    return tuple(rules)


def _rule(item: object) -> Rule:
    values = _checked(item, {**CONDITIONS, **DECISIONS})
    return Rule(
        tuple(values[key] for key in CONDITIONS if key in values),
        tags=frozenset(key.tag for name, key in CONDITIONS.items() if name in values and key.tag),
        written=dict(item) if isinstance(item, Mapping) else {},
        **{attribute: values[key] for key, attribute in _ATTRIBUTES.items() if key in values},
    )


def _shorthand(item: object) -> Rule:
    """Here an empty list means no condition."""
    stated = {key: value for key, value in item.items() if value != []} if isinstance(item, Mapping) else item
    keys = {name: CONDITIONS[key].named(name) for name, key in _SHORTHAND.items()}
    _checked(stated, keys)
    assert isinstance(stated, dict)  # noqa: S101 - or it would have been refused
    rule = _rule({"Form": "HTJ2K", **{_SHORTHAND[key]: value for key, value in stated.items()}})
    return replace(rule, written=stated)


def _checked(item: object, keys: Mapping[str, ConditionKey | Declaration]) -> dict[str, Any]:
    """The checked value of each key of `item`. Raises SettingsError with all errors."""
    if not isinstance(item, Mapping):
        raise SettingsError(f"it is {item!r}; allowed is an object with {', '.join(keys)}")
    complaints = [f'"{name}" is not known; known are {", ".join(keys)}' for name in item if name not in keys]
    values = dict[str, Any]()
    for name in [name for name in keys if name in item]:
        try:
            values[name] = keys[name].check(item[name])
        except SettingsError as error:
            complaints.append(str(error))
    if not complaints:
        complaints = [complaint for what in _BOUNDED if (complaint := _contradiction(item, what))]
    if complaints:
        raise SettingsError("; ".join(complaints))
    return values


def _contradiction(item: Mapping[str, Any], what: str) -> str | None:
    least, most = item.get(f"Minimum{what}"), item.get(f"Maximum{what}")
    if least is None or most is None or least <= most:
        return None
    return f'"Minimum{what}" is {least} and "Maximum{what}" is {most}: no instance is both'
