"""The keys of a rule: conditions and decisions, with their allowed values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType
from typing import Any, get_args

from framecache.declaration import Declaration, Enumeration, Number, Text, Texts
from framecache.dicom.identity import is_uid
from framecache.policy.rule import Among, ArchiveWrite, Condition, Described, Extract, Form, Turn, Within

_MEGABYTE = 1 << 20
_CENTURY = 36_500
_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")  # a CS of PS3.5 section 6.2
_NAME = re.compile(r"[^\\\x00-\x1f\x7f]{1,16}")  # an SH or AE of the same
_DATE = re.compile(r"[0-9]{8}")  # a DA of the same: YYYYMMDD, but no other form of ISO 8601


@dataclass(frozen=True, slots=True)
class ConditionKey:
    """A condition key of a rule: its allowed values, and the condition that a value makes.

    `tag` is the tag of series or study that the condition needs, if any.
    """

    declaration: Declaration
    make: Callable[[Any], Condition]
    tag: str | None = None

    def check(self, value: object) -> Condition:
        """The condition. Raises SettingsError with the key, the value and the allowed values."""
        return self.make(self.declaration.check(value))

    def named(self, name: str) -> ConditionKey:
        """The same condition under another key."""
        return replace(self, declaration=replace(self.declaration, name=name))


def _is_code(text: str) -> bool:
    return _CODE.fullmatch(text) is not None and text == text.strip()


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None and text == text.strip()


def _frames(instance: Described, _today: date) -> float:
    return instance.number_of_frames


def _frame_megabytes(instance: Described, _today: date) -> float:
    return instance.frame_size / _MEGABYTE


def day_of(text: str) -> date | None:
    """The date of a DA (PS3.5 section 6.2), or None if it is invalid."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _study_age(instance: Described, today: date) -> float | None:
    """In days; None if the study has no date."""
    day = day_of(instance.study_date)
    return None if day is None else (today - day).days


_UID = 'a UID such as "1.2.840.10008.5.1.4.1.1.13.1.3"'
_SHORT = "a text of 1 to 16 characters"
_FRAMES, _SIZE, _AGE = (
    Number(kind, smallest, largest)
    for kind, smallest, largest in ((int, 1, 1_000_000), (float, 0, 1_000_000), (float, 0, _CENTURY))
)


def _text(
    name: str, text_of: Callable[[Described], str], item: Text, meaning: str, tag: str | None = None
) -> ConditionKey:
    """A condition on a text: equal to the value, or to one in a list."""
    kind = Texts(item, f"{item.allowed}, or a list of such", empty=False, one_alone=True)
    return ConditionKey(Declaration(name, kind, meaning=meaning), lambda texts: Among(text_of, frozenset(texts)), tag)


def _number(
    name: str,
    number_of: Callable[[Described, date], float | None],
    kind: Number,
    meaning: str,
    tag: str | None = None,
) -> ConditionKey:
    """A condition on a number: a minimum or a maximum."""
    is_least = name.startswith("Minimum")
    return ConditionKey(
        Declaration(name, kind, meaning=meaning),
        lambda bound: Within(number_of, smallest=bound) if is_least else Within(number_of, largest=bound),
        tag,
    )


CONDITIONS: Mapping[str, ConditionKey] = MappingProxyType(
    {
        key.declaration.name: key
        for key in (
            _text(
                "Modality",
                lambda i: i.modality,
                Text('a code such as "MG"', _is_code),
                "Modality (0008,0060)",
                "Modality",
            ),
            _text("SOPClassUID", lambda i: i.sop_class_uid, Text(_UID, is_uid), "SOP Class UID (0008,0016)"),
            _text(
                "TransferSyntaxUID", lambda i: i.transfer_syntax_uid, Text(_UID, is_uid), "the stored transfer syntax"
            ),
            _text(
                "StationName",
                lambda i: i.station_name,
                Text(_SHORT, _is_name),
                "Station Name (0008,1010)",
                "StationName",
            ),
            _text("RemoteAET", lambda i: i.remote_aet, Text(_SHORT, _is_name), "AE title of the sender by C-STORE"),
            _number("MinimumFrames", _frames, _FRAMES, "this many frames or more"),
            _number("MaximumFrames", _frames, _FRAMES, "this many frames or fewer"),
            _number("MinimumFrameMB", _frame_megabytes, _SIZE, "a stored frame has this many MiB or more"),
            _number("MaximumFrameMB", _frame_megabytes, _SIZE, "a stored frame has this many MiB or less"),
            _number(
                "MinimumStudyAgeDays",
                _study_age,
                _AGE,
                "Study Date (0008,0020) is this many days ago or more",
                "StudyDate",
            ),
            _number(
                "MaximumStudyAgeDays",
                _study_age,
                _AGE,
                "Study Date is this many days ago or fewer; a study without a date matches neither",
                "StudyDate",
            ),
        )
    }
)

DECISIONS: Mapping[str, Declaration] = MappingProxyType(
    {
        decision.name: decision
        for decision in (
            Declaration(
                "Extract",
                Enumeration(get_args(Extract)),
                "arrival",
                meaning="Cache on arrival, or when a viewer first asks, or never. Default: arrival.",
            ),
            Declaration(
                "Form",
                Enumeration(get_args(Form)),
                meaning="Copy frames as stored, or keep only their places, or keep HTJ2K lossless too. "
                "Default: as `Mode` says.",
            ),
            Declaration(
                "Priority",
                Enumeration(get_args(Turn)),
                "normal",
                meaning="Order among arrivals. Instances that a viewer waits for always go first. Default: normal.",
            ),
            Declaration(
                "KeepDays",
                Number(float, 0, _CENTURY),
                meaning="Evict instances that nobody viewed for this many days; 0: never. Default: `MaximumAgeDays`.",
            ),
            Declaration(
                "Archive",
                Enumeration(get_args(ArchiveWrite)),
                meaning="Write to the archive on arrival, or when a viewer first asks, or never. "
                "Default: `ArchiveWrite`.",
            ),
        )
    }
)
