"""Counts what became of the files that were to be added."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from framecache.cli.errors import ExitCode
from framecache.cli.output import counted, table
from framecache.cli.session import Session
from framecache.tree.writer import Added, Outcome, Skipped

_NAMED = 20  # files that are named for each reason


@dataclass
class Outcomes:
    """`ignored` are files that are no DICOM files; `skipped` are names by reason."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    ignored: int = 0
    skipped: dict[str, list[str]] = field(default_factory=dict)

    def count(self, outcome: Outcome) -> None:
        """Count one more."""
        if isinstance(outcome, Skipped):
            self.skipped.setdefault(outcome.reason, []).append(outcome.source.name)
        elif isinstance(outcome, Added):
            self.replaced += outcome.is_replacement
            self.added += not outcome.is_replacement
        else:
            self.unchanged += 1

    def show(self, session: Session) -> ExitCode:
        """Print them; REFUSED if an instance is not in the archive now."""
        numbers = {"Added": self.added, "Replaced": self.replaced, "Unchanged": self.unchanged}
        skipped = Counter({reason: len(names) for reason, names in self.skipped.items()})
        content: dict[str, Any] = {**numbers, "NotDicom": self.ignored, "Skipped": self.skipped}
        rows = [*numbers.items(), ("Not DICOM", self.ignored), ("Skipped", skipped.total())]
        session.output.show(content, table(("", ""), [(name.lower(), number) for name, number in rows]))
        for reason, number in skipped.most_common():
            session.output.note(f"skipped {counted(number, 'instance')}: {reason}")
            for name in self.skipped[reason][:_NAMED]:
                session.output.note(f"  {name}")
        return ExitCode.REFUSED if skipped else ExitCode.DONE
