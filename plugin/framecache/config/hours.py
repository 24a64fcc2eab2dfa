"""Hours of the day, which may lie over midnight."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time

from framecache.errors import SettingsError

_HOURS = re.compile(r"(([01]\d|2[0-3]):[0-5]\d)-(([01]\d|2[0-3]):[0-5]\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hours:
    """From `begin` to `end`, local time; the same twice is the whole day."""

    begin: time = time()
    end: time = time()

    def contain(self, moment: time) -> bool:
        """Whether `moment` is one of them."""
        if self.begin < self.end:
            return self.begin <= moment < self.end
        return moment >= self.begin or moment < self.end


def parse_hours(text: str) -> Hours:
    """From "19:00-06:00", or "" for the whole day. Raises SettingsError."""
    if not text:
        return Hours()
    found = _HOURS.fullmatch(text)
    if found is None:
        raise SettingsError(f'"BackfillHours" is {text!r}; allowed is "" or two times such as "19:00-06:00"')
    return Hours(time.fromisoformat(found[1]), time.fromisoformat(found[3]))
