"""A rule: its conditions, and the treatment of instances that meet them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol

Mode = Literal["copy", "index", "auto"]
Extract = Literal["arrival", "demand", "never"]
Form = Literal["stored", "index", "HTJ2K"]
Turn = Literal["high", "normal", "low"]
ArchiveWrite = Literal["arrival", "demand", "never"]


class Described(Protocol):
    """The properties of an instance that rules use; a text that Orthanc does not know is empty."""

    @property
    def modality(self) -> str:
        """Modality (0008,0060)."""

    @property
    def sop_class_uid(self) -> str:
        """SOP Class UID (0008,0016)."""

    @property
    def transfer_syntax_uid(self) -> str:
        """Transfer Syntax UID (0002,0010), as stored."""

    @property
    def station_name(self) -> str:
        """Station Name (0008,1010)."""

    @property
    def remote_aet(self) -> str:
        """The AE title that sent it by C-STORE."""

    @property
    def study_date(self) -> str:
        """Study Date (0008,0020), eight digits."""

    @property
    def number_of_frames(self) -> int:
        """Number of Frames (0028,0008)."""

    @property
    def frame_size(self) -> int:
        """The approximate size of a stored frame in bytes."""


@dataclass(frozen=True, slots=True)
class Among:
    """A condition: the text is one of `texts`."""

    text_of: Callable[[Described], str]
    texts: frozenset[str]

    def holds(self, instance: Described, _today: date) -> bool:
        """Whether `instance` meets it."""
        return self.text_of(instance) in self.texts


@dataclass(frozen=True, slots=True)
class Within:
    """A condition: the number is within bounds; an unknown number is not."""

    number_of: Callable[[Described, date], float | None]
    smallest: float = float("-inf")
    largest: float = float("inf")

    def holds(self, instance: Described, today: date) -> bool:
        """Whether `instance` meets it on that day."""
        number = self.number_of(instance, today)
        return number is not None and self.smallest <= number <= self.largest


Condition = Among | Within


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions that must all hold, and the resulting treatment; None: the general setting applies.

    `tags` are the tags of series and study that the conditions need, `written` is the rule as JSON.
    """

    conditions: tuple[Condition, ...] = ()
    extract: Extract = "arrival"
    form: Form | None = None
    priority: Turn = "normal"
    keep_days: float | None = None
    archive: ArchiveWrite | None = None
    tags: frozenset[str] = frozenset()
    written: Mapping[str, object] | None = None

    def matches(self, instance: Described, today: date) -> bool:
        """Whether all conditions hold for `instance`."""
        for condition in self.conditions:  # noqa: SIM110 - all(…) takes twice as long
            if not condition.holds(instance, today):
                return False
        return True
