"""The setting `Transcode`: of which instances a small form is kept beside the stored one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from framecache.dicom.identity import is_uid
from framecache.dicom.instance import Instance
from framecache.dicom.transfer_syntax import HTJ2K_LOSSLESS, Encoding, lookup
from framecache.errors import SettingsError

_TEXTS = ("Modalities", "SopClasses", "TransferSyntaxes")
_SIZE = "MinimumFrameMB"
_MEGABYTE = 1 << 20
# Lossless syntaxes that viewers decode several times more slowly than HTJ2K; lossy ones would only grow.
_SLOW_TO_DECODE = frozenset({"1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})


@dataclass(frozen=True, slots=True)
class TranscodeRule:
    """What an instance has to be; an empty set is no condition. `minimum_frame_size` is in bytes as stored."""

    modalities: frozenset[str] = frozenset()
    sop_classes: frozenset[str] = frozenset()
    transfer_syntaxes: frozenset[str] = frozenset()
    minimum_frame_size: float = 0

    def matches(self, instance: Instance) -> bool:
        """Whether the rule is about `instance`."""
        return (
            instance.transfer_syntax_uid in (self.transfer_syntaxes or {instance.transfer_syntax_uid})
            and instance.modality in (self.modalities or {instance.modality})
            and instance.sop_class_uid in (self.sop_classes or {instance.sop_class_uid})
            and instance.frame_size >= self.minimum_frame_size
        )

    def to_json(self) -> dict[str, Any]:
        """The rule as it may be written in the settings."""
        texts = zip(_TEXTS, (self.modalities, self.sop_classes, self.transfer_syntaxes), strict=True)
        return {key: sorted(values) for key, values in texts if values} | {_SIZE: self.minimum_frame_size / _MEGABYTE}


@dataclass(frozen=True, slots=True)
class TranscodeRules:
    """All rules; one that matches is enough."""

    rules: tuple[TranscodeRule, ...] = ()

    def small_form(self, instance: Instance) -> str | None:
        """The transfer syntax to keep beside the stored one: HTJ2K lossless, or None."""
        if not self.rules:
            return None
        syntax = lookup(instance.transfer_syntax_uid)
        if syntax.encoding is not Encoding.NATIVE and syntax.uid not in _SLOW_TO_DECODE:
            return None
        return HTJ2K_LOSSLESS if any(rule.matches(instance) for rule in self.rules) else None


def parse_transcode_rules(value: object) -> TranscodeRules:
    """From the setting: a list of objects. Raises SettingsError that says what is allowed."""
    if not isinstance(value, list):
        raise SettingsError(f'"Transcode" is {value!r}; allowed is a list of rules: [{{"{_SIZE}": 1}}]')
    return TranscodeRules(tuple(_rule(item) for item in value))


def _rule(item: object) -> TranscodeRule:
    if not isinstance(item, Mapping) or not set(item) <= {*_TEXTS, _SIZE}:
        raise SettingsError(
            f'a rule of "Transcode" is {item!r}; allowed are objects with {", ".join((*_TEXTS, _SIZE))}'
        )
    texts = {key: _texts(key, item.get(key, [])) for key in _TEXTS}
    for uid in texts["SopClasses"] | texts["TransferSyntaxes"]:
        if not is_uid(uid):
            raise SettingsError(f'"{uid}" in a rule of "Transcode" is not a UID')
    return TranscodeRule(
        texts["Modalities"], texts["SopClasses"], texts["TransferSyntaxes"], _size(item.get(_SIZE, 0)) * _MEGABYTE
    )


def _texts(key: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise SettingsError(f'"{key}" in a rule of "Transcode" is {value!r}; allowed is a list of texts')
    return frozenset(value)


def _size(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise SettingsError(f'"{_SIZE}" in a rule of "Transcode" is {value!r}; allowed is a number from 0')
    return value
