"""How a value of a search matches those of an attribute (PS3.18 section 8.3.4.1.1, PS3.4 section C.2.2.2).

Criteria are values. They compare *keys*: what `key_of` makes of an attribute's value, so that names match in any case,
and times of any precision.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Protocol

from framecache.errors import BadRequest

RANGED = ("DA", "TM", "DT")
NUMBERS = ("IS", "US")
_WITHOUT_WILDCARDS = (*RANGED, *NUMBERS, "UI", "AS")
_WORDS = re.compile(r"[\s^,=]+")
_DATE = re.compile(r"[0-9]{8}")
_TIME = re.compile(r"([0-9]{2}|[0-9]{4}|[0-9]{6})(\.[0-9]{1,6})?")
_DATE_TIME = re.compile(r"([0-9]{4}(?:[0-9]{2}){0,5})(\.[0-9]{1,6})?([+-](?:0[0-9]|1[0-4])[0-5][0-9])?")
_LATEST_TIME, _LATEST_DATE_TIME = "235959.999999", "99991231235959.999999"
_INTEGER = re.compile(r"[+-]?[0-9]{1,12}")


class Criterion(Protocol):
    """What the values of an attribute have to be."""

    def matches(self, keys: Sequence[str]) -> bool:
        """Whether these keys of its values match; none where it is absent or empty."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """Single value matching, and a list of UIDs: any value is any of these."""

    keys: tuple[str, ...]

    def matches(self, keys: Sequence[str]) -> bool:
        return not set(self.keys).isdisjoint(keys)


@dataclass(frozen=True, slots=True)
class AllOf:
    """Multiple value matching (PS3.4 section C.2.2.2.8)."""

    keys: tuple[str, ...]

    def matches(self, keys: Sequence[str]) -> bool:
        return set(self.keys) <= set(keys)


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`*` is any characters, `?` is one."""

    pattern: str

    def matches(self, keys: Sequence[str]) -> bool:
        expression = re.compile(re.escape(self.pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
        return any(map(expression.fullmatch, keys))


@dataclass(frozen=True, slots=True)
class Range:
    """From `first` to `last`, both included. An empty value is in no range."""

    first: str
    last: str

    def matches(self, keys: Sequence[str]) -> bool:
        return any(key and self.first <= key <= self.last for key in keys)


@dataclass(frozen=True, slots=True)
class Empty:
    """Empty value matching (PS3.4 section C.2.2.2.7): the attribute is absent, or has no value."""

    def matches(self, keys: Sequence[str]) -> bool:
        return not any(keys)


@dataclass(frozen=True, slots=True)
class Similar:
    """Fuzzy matching of a name (PS3.18 section 8.3.4.2): each of these words begins a word of it, or is nearly one."""

    words: tuple[str, ...]

    def matches(self, keys: Sequence[str]) -> bool:
        return any(self._is_like(words_of(key)) for key in keys)

    def _is_like(self, found: Sequence[str]) -> bool:
        return all(any(is_nearly(word, one) for one in found) for word in self.words)


def criterion(vr: str, value: str, *, is_multiple: bool = False) -> Criterion | None:
    """What `value` asks of an attribute of this VR; None for universal matching, of anything.

    `is_multiple` is for a search that asks for multiple value matching. Raises BadRequest.
    """
    if value == "" or (value.strip("*") == "" and vr not in _WITHOUT_WILDCARDS):
        return None
    if vr in RANGED:
        return _of_time(vr, value)
    values = [one.strip() for one in re.split(r"[\\,]" if vr in ("UI", "CS") else r"\\", value)]
    if any(set("*?") & set(one) for one in values):
        if vr in _WITHOUT_WILDCARDS:
            raise BadRequest(f"{value}: there are no wildcards in a value of {vr}")
        return _any_of(tuple(key_of(vr, one) for one in values))
    if vr == "PN" and "=" in value:
        # Each representation is a key of its own; those that are asked for have to be there (PS3.5 section 6.2.1.1).
        return AllOf(tuple(filter(None, key_of(vr, value).split("="))))
    keys = tuple(_checked(vr, one) for one in values if one)
    return AllOf(keys) if is_multiple else OneOf(keys)


def similar(name: str) -> Similar:
    """What is like `name`, with any order of its words."""
    return Similar(tuple(filter(None, _WORDS.split(_without_accents(key_of("PN", name))))))


def _any_of(patterns: Sequence[str]) -> Criterion:
    if len(patterns) > 1:
        raise BadRequest("a list of values has no wildcards")
    return Wildcard(patterns[0])


def is_integer(text: str) -> bool:
    """Whether it is a value of IS."""
    return _INTEGER.fullmatch(text) is not None


def _checked(vr: str, value: str) -> str:
    if vr in NUMBERS and not is_integer(value):
        raise BadRequest(f"{value} is not a number")
    return key_of(vr, value)


def key_of(vr: str, value: str) -> str:
    """What a value is compared by. A name's case and empty components do not count (PS3.4 section C.2.2.2.1)."""
    if vr == "PN":
        return "=".join(group.rstrip("^ ") for group in unicodedata.normalize("NFC", value).casefold().split("="))
    if vr in NUMBERS:
        return str(int(value)) if is_integer(value) else value
    if vr in RANGED:
        return _earliest(vr, value) or value
    return value


def _of_time(vr: str, value: str) -> Criterion:
    """Range matching, or single value matching (PS3.4 section C.2.2.2.5)."""
    if (alone := _earliest(vr, value)) is not None:
        return OneOf((alone,))
    for position, character in enumerate(value):
        first, last = value[:position].strip(), value[position + 1 :].strip()
        if character == "-" and (first or last):
            low, high = _earliest(vr, first) if first else "", _latest(vr, last)
            if low is not None and high is not None:
                return Range(low, high)
    raise BadRequest(f"{value} is neither a value nor a range of {vr}")


def _earliest(vr: str, text: str) -> str | None:
    """The first moment that `text` means; None where it is no value of that VR."""
    if vr == "DA":
        found = text.replace(".", "") if len(text) == len("YYYY.MM.DD") else text  # ACR-NEMA's form
        return found if _DATE.fullmatch(found) else None
    if vr == "TM":
        text = text.replace(":", "")
        return _padded(text, "000000.000000") if _TIME.fullmatch(text) else None
    return _moment(text, "00000101000000.000000")


def _latest(vr: str, text: str) -> str | None:
    """The last moment that `text` means, in its precision: 11 is until 11:59:59.999999; of nothing, the end of time."""
    if vr == "DA":
        return _earliest(vr, text) if text else "99999999"
    if vr == "TM":
        return _padded(text, _LATEST_TIME) if not text or _TIME.fullmatch(text) else None
    return _moment(text, "99991231235959.999999") if text else _LATEST_DATE_TIME


def _padded(text: str, with_: str) -> str:
    return text + with_[len(text) :]


def _moment(text: str, padding: str) -> str | None:
    """A DT, in UTC where it names its offset (PS3.5 section 6.2)."""
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        return None
    digits, fraction, offset = found[1], found[2] or "", found[3]
    padded = _padded(digits + fraction, padding)
    if offset is None:
        return padded
    hours, minutes = int(offset[:3]), int(offset[0] + offset[3:])
    zone = timezone(timedelta(hours=hours, minutes=minutes))
    try:
        moment = datetime.strptime(padded, "%Y%m%d%H%M%S.%f").replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return f"{moment:%Y%m%d%H%M%S.%f}"


@lru_cache(1 << 14)  # a search looks at each name of an index
def words_of(key: str) -> Sequence[str]:
    """The words of a name's key, without accents."""
    return _WORDS.split(_without_accents(key))


def _without_accents(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))


_SHORT, _LONG = 3, 8  # letters


def is_nearly(word: str, found: str) -> bool:
    """Whether `found` begins with `word`, or is it but for a letter, of long words for two."""
    if found.startswith(word):
        return True
    shorter = min(len(word), len(found))
    if shorter < _SHORT or (shorter == _SHORT and (len(word) == len(found) or word[0] != found[0])):
        return False  # of three letters one is too many: Jon is John, but Kim is not Kit
    most = 2 if shorter >= _LONG else 1
    if abs(len(word) - len(found)) > most or len(set(word) - set(found)) > most:
        return False
    return _distance(word, found) <= most


def _distance(one: str, other: str) -> int:
    """How many letters have to be changed, added, left out or exchanged with the next."""
    before, last = [0] * (len(other) + 1), list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            cost = min(row[j - 1] + 1, last[j] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
