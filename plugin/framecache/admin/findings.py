"""What the start found out of the server that the plugin runs in."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import Any

from framecache.admin.checks import Check

VERSION = "0.1.0"


@dataclass(slots=True)
class Findings:
    """It grows until Orthanc has started."""

    versions: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    serving: bool = False
    stopping: bool = False

    @property
    def failed(self) -> list[Check]:
        """The checks that did not pass."""
        return [check for check in self.checks if not check.passed]

    def note(self, check: Check) -> None:
        """Put a check in the place of the one of its name, or behind all."""
        names = [known.name for known in self.checks]
        place = names.index(check.name) if check.name in names else len(names)
        self.checks[place : place + 1] = [check]

    def passed(self, name: str) -> bool:
        """Whether the check of that name was made and passed."""
        return any(check.name == name and check.passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """As the status shows it."""
        return {
            "Version": VERSION,
            "Versions": {"Python": platform.python_version(), **self.versions},
            "Serving": self.serving and not self.stopping,
            "OwnsFrameRoutes": self.passed("RouteOrder"),
            "AllowThreads": self.passed("AllowThreads"),
            "Checks": [
                {"Name": check.name, "Passed": check.passed, **({} if check.passed else {"Advice": check.advice})}
                for check in self.checks
            ],
        }
