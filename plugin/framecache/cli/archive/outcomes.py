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
    """`ignored` are files that are no DICOM files; `skipped` are names by reason. Of `htj2k` frames were added in that
    form, too; `without_htj2k` are names by the reason why that could not be."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    ignored: int = 0
    skipped: dict[str, list[str]] = field(default_factory=dict)
    htj2k: int = 0
    without_htj2k: dict[str, list[str]] = field(default_factory=dict)

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
        is_asked = self.htj2k or self.without_htj2k
        forms = {"HTJ2K": self.htj2k, "WithoutHTJ2K": self.without_htj2k} if is_asked else {}
        content: dict[str, Any] = {**numbers, "NotDicom": self.ignored, "Skipped": self.skipped, **forms}
        rows = [*numbers.items(), ("Not DICOM", self.ignored), ("Skipped", skipped.total())]
        rows += [("Also HTJ2K", self.htj2k)] if self.htj2k else []
        session.output.show(content, table(("", ""), [(name.lower(), number) for name, number in rows]))
        self._note(session, "skipped", self.skipped)
        self._note(session, "no HTJ2K of", self.without_htj2k)
        return ExitCode.REFUSED if skipped else ExitCode.DONE

    def _note(self, session: Session, what: str, named: dict[str, list[str]]) -> None:
        for reason, names in sorted(named.items(), key=lambda item: -len(item[1])):
            session.output.note(f"{what} {counted(len(names), 'instance')}: {reason}")
            for name in names[:_NAMED]:
                session.output.note(f"  {name}")
