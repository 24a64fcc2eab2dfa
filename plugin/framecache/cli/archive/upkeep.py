"""`framecache archive verify`, `index` and `gc`."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from framecache.cli.archive.adding import files
from framecache.cli.archive.opening import archive
from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.output import counted, size
from framecache.cli.session import Session
from framecache.tree.record import Record
from framecache.tree.source import Source

_LONGEST_GRACE = 100 * 365 * 24  # hours


def verify(session: Session) -> ExitCode:
    """Print each finding at once; REFUSED if one is not repaired."""
    sources = _Sources([Path(name) for name in session.arguments.sources])
    found = repaired = 0
    with archive(session, must_exist=True) as tree:
        for finding in tree.verify(*session.arguments.study, find_source=sources.find):
            state = "repaired" if finding.is_repaired else "NOT repaired"
            content = {"Kind": finding.kind, "Key": finding.key, "Text": finding.text, "Repaired": finding.is_repaired}
            session.output.stream(content, f"{finding.kind} {finding.key}: {finding.text} ({state})")
            found, repaired = found + 1, repaired + finding.is_repaired
    session.output.note(f"{counted(found, 'finding')}, {repaired} repaired" if found else "All is as it should be.")
    return ExitCode.DONE if found == repaired else ExitCode.REFUSED


class _Sources:
    """DICOM files to repair from, found by their size and SHA-256."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths, self._by_size = paths, dict[int, list[Path]]()

    def find(self, record: Record) -> Source | None:
        """A file that cannot be read, or is gone meanwhile, is not the one."""
        if self._paths and not self._by_size:
            for path in files(self._paths):
                with suppress(OSError):
                    self._by_size.setdefault(path.stat().st_size, []).append(path)
        for path in self._by_size.get(record.origin.size, ()):
            with suppress(OSError), path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == record.origin.sha256:
                    return Source.file(path)
        return None


def index(session: Session) -> ExitCode:
    """Make derived files anew, from the log alone."""
    with archive(session, must_exist=True) as tree:
        tree.derive(*session.arguments.study, anew=True)
        studies = len(tree.studies())
    session.output.show({"Studies": studies}, f"The archive shows {counted(studies, 'study', 'studies')}.")
    return ExitCode.DONE


def gc(session: Session) -> ExitCode:
    """Delete what nothing refers to."""
    if not 0 <= session.arguments.grace <= _LONGEST_GRACE:
        raise CommandError("--grace is a number of hours", ExitCode.USAGE)
    with archive(session, must_exist=True) as tree:
        done = tree.gc(timedelta(hours=session.arguments.grace))
    text = f"deleted {counted(done.deleted, 'object')} ({size(done.bytes)}), merged {done.merged} entries of the log"
    session.output.show({"Deleted": done.deleted, "Bytes": done.bytes, "Merged": done.merged}, text)
    return ExitCode.DONE
