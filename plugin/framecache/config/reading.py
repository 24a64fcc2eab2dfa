"""Parses the settings from Orthanc's configuration, or reports all their errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import time
from pathlib import Path
from typing import Any

from framecache.config.settings import SETTINGS, RuleList, Settings
from framecache.declaration import Declaration
from framecache.errors import SettingsError

_HOURS = re.compile(r"(([01]\d|2[0-3]):[0-5]\d)-(([01]\d|2[0-3]):[0-5]\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hours:
    """From `begin` to `end`, local time; equal times mean the whole day."""

    begin: time = time()
    end: time = time()

    def contain(self, moment: time) -> bool:
        """Whether `moment` is within these hours."""
        if self.begin < self.end:
            return self.begin <= moment < self.end
        return moment >= self.begin or moment < self.end


def parse_hours(text: str) -> Hours:
    """Parse text such as "19:00-06:00", or "" for the whole day. Raises SettingsError."""
    if not text:
        return Hours()
    found = _HOURS.fullmatch(text)
    if found is None:
        raise SettingsError(f'"BackfillHours" is {text!r}; allowed is "" or two times such as "19:00-06:00"')
    return Hours(time.fromisoformat(found[1]), time.fromisoformat(found[3]))


def read_settings(section: object, default_directory: Path, base: Path = Path()) -> Settings:
    """The settings in force; a relative Directory is below the folder `base`.

    Raises SettingsError with each invalid key, its value and the allowed values.
    """
    if not isinstance(section, Mapping):
        raise SettingsError('"FrameCache" must be an object: { … }')
    known = {setting.name: name for name, setting in SETTINGS.items()}
    complaints = [f'"{key}" is not known; known are {", ".join(known)}' for key in section if key not in known]
    values: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        try:
            values[name] = setting.check(section.get(setting.name, setting.default))
        except SettingsError as error:
            complaints.append(str(error))
    if section.get("Rules") and section.get("Transcode"):
        complaints.append('"Rules" and "Transcode" are both set; allowed is one: in a rule, write "Form": "HTJ2K"')
    try:
        parse_hours(values.get("backfill_hours", ""))
    except SettingsError as error:
        complaints.append(str(error))
    if complaints:
        raise SettingsError('"FrameCache": ' + "; ".join(complaints))
    values["directory"] = base / values["directory"] if values["directory"] else default_directory
    return Settings(**values)


def is_strict(section: object) -> bool:
    """Whether an invalid setting must stop Orthanc's start; `section` may itself be invalid."""
    return isinstance(section, Mapping) and section.get("Strict") is True


def lenient_admin_settings(section: object) -> tuple[bool, tuple[str, ...]]:
    """ "AdminRoutes" and "AdminUsers" of a section with errors: an invalid value never admits anybody."""
    values = section if isinstance(section, Mapping) else {}
    users = values.get("AdminUsers", ())
    names = users if isinstance(users, list | tuple) else [users]
    return values.get("AdminRoutes", True) is True, tuple(map(str, names))


def in_force(settings: Settings) -> dict[str, Any]:
    """The settings by their keys, for the status; without a connection string, which may have a password."""
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    values["cluster"] = "(set)" if settings.cluster else ""
    return {SETTINGS[name].name: _shown(SETTINGS[name], value) for name, value in values.items()}


def _shown(setting: Declaration, value: Any) -> Any:
    if isinstance(setting.kind, RuleList):
        return [rule.written for rule in value]
    return str(value) if isinstance(value, Path) else value
