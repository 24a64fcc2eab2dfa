"""The keys of a rule: what each looks at or decides, and what may be written there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any, get_args

from framecache.dicom.identity import is_uid
from framecache.errors import SettingsError
from framecache.policy.rule import Among, Described, Extract, Form, Turn, Within
from framecache.setting import Setting

_MEGABYTE = 1 << 20
_CENTURY = 36_500
_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")  # a CS of PS3.5 section 6.2
_NAME = re.compile(r"[^\\\x00-\x1f\x7f]{1,16}")  # an SH or AE of the same
_DATE = re.compile(r"[0-9]{8}")  # a DA of the same: YYYYMMDD, and nothing else that ISO 8601 would allow


@dataclass(frozen=True, slots=True)
class TextKey:
    """A condition on a text: one value, or a list of them of which one has to be it.

    `tag` is the tag of series or study that it looks at, if it is one.
    """

    key: str
    text_of: Callable[[Described], str]
    is_valid: Callable[[str], bool]
    what: str
    meaning: str
    tag: str | None = None

    @property
    def allowed(self) -> str:
        """What may be written."""
        return f"{self.what}, or a list of such"

    def check(self, value: object) -> Among:
        """The condition. Raises SettingsError with key, value and what is allowed."""
        texts: list[Any] = value if isinstance(value, list) else [value]
        if not texts or not all(isinstance(text, str) and self.is_valid(text) for text in texts):
            raise SettingsError(f'"{self.key}" is {value!r}; allowed is {self.allowed}')
        return Among(self.text_of, frozenset(texts))


@dataclass(frozen=True, slots=True)
class NumberKey:
    """A condition on a number: the smallest that it may be, or the largest."""

    key: str
    number_of: Callable[[Described, date], float | None]
    kind: type[int | float]
    bounds: tuple[int, int]
    meaning: str
    tag: str | None = None

    @property
    def allowed(self) -> str:
        """What may be written."""
        return self._setting.allowed

    @property
    def _setting(self) -> Setting:
        return Setting(self.key, self.kind, None, *self.bounds)

    def check(self, value: object) -> Within:
        """The condition. Raises SettingsError with key, value and what is allowed."""
        bound = self._setting.check(value)
        is_least = self.key.startswith("Minimum")
        return Within(self.number_of, smallest=bound) if is_least else Within(self.number_of, largest=bound)


def _is_code(text: str) -> bool:
    return _CODE.fullmatch(text) is not None and text == text.strip()


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None and text == text.strip()


def _frames(instance: Described, _today: date) -> float:
    return instance.number_of_frames


def _frame_megabytes(instance: Described, _today: date) -> float:
    return instance.frame_size / _MEGABYTE


def day_of(text: str) -> date | None:
    """The day of a DA (PS3.5 section 6.2), or None where it is none."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _study_age(instance: Described, today: date) -> float | None:
    """In days; None where the study has no date."""
    day = day_of(instance.study_date)
    return None if day is None else (today - day).days


_UID = 'a UID such as "1.2.840.10008.5.1.4.1.1.13.1.3"'
_SHORT = "a text of 1 to 16 characters"
_FRAMES, _SIZE, _AGE = (1, 1_000_000), (0, 1_000_000), (0, _CENTURY)

CONDITIONS: Mapping[str, TextKey | NumberKey] = MappingProxyType(
    {
        key.key: key
        for key in (
            TextKey(
                "Modality",
                lambda i: i.modality,
                _is_code,
                'a code such as "MG"',
                "Modality (0008,0060)",
                "Modality",
            ),
            TextKey("SOPClassUID", lambda i: i.sop_class_uid, is_uid, _UID, "SOP Class UID (0008,0016)"),
            TextKey(
                "TransferSyntaxUID",
                lambda i: i.transfer_syntax_uid,
                is_uid,
                _UID,
                "the stored transfer syntax",
            ),
            TextKey(
                "StationName",
                lambda i: i.station_name,
                _is_name,
                _SHORT,
                "Station Name (0008,1010)",
                "StationName",
            ),
            TextKey(
                "RemoteAET",
                lambda i: i.remote_aet,
                _is_name,
                _SHORT,
                "the AE title that sent it by C-STORE",
            ),
            NumberKey("MinimumFrames", _frames, int, _FRAMES, "so many frames or more"),
            NumberKey("MaximumFrames", _frames, int, _FRAMES, "so many frames or fewer"),
            NumberKey("MinimumFrameMB", _frame_megabytes, float, _SIZE, "a stored frame has so many MiB or more"),
            NumberKey("MaximumFrameMB", _frame_megabytes, float, _SIZE, "a stored frame has so many MiB or less"),
            NumberKey(
                "MinimumStudyAgeDays",
                _study_age,
                float,
                _AGE,
                "Study Date (0008,0020) is so many days ago or more",
                "StudyDate",
            ),
            NumberKey(
                "MaximumStudyAgeDays",
                _study_age,
                float,
                _AGE,
                "Study Date is so many days ago or fewer; a study without a date is neither",
                "StudyDate",
            ),
        )
    }
)

DECISIONS: Mapping[str, Setting] = MappingProxyType(
    {
        setting.key: setting
        for setting in (
            Setting(
                "Extract",
                str,
                "arrival",
                choices=get_args(Extract),
                meaning="it comes into the cache as it arrives, or when a viewer first asks for it, or never; "
                "arrival without it",
            ),
            Setting(
                "Form",
                str,
                None,
                choices=get_args(Form),
                meaning="frames are copied as stored, or only their places are kept, or HTJ2K lossless is kept beside; "
                "without it as `Mode` says",
            ),
            Setting(
                "Priority",
                str,
                "normal",
                choices=get_args(Turn),
                meaning="what goes first of what has arrived, normal without it; what a viewer waits for goes before "
                "all of it",
            ),
            Setting(
                "KeepDays",
                float,
                None,
                0,
                _CENTURY,
                meaning="it leaves the cache if nobody asked for it for so many days, 0: never; without it as "
                "`MaximumAgeDays` says",
            ),
        )
    }
)
