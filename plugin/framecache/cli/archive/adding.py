"""`framecache archive add`: adds DICOM files from a disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from framecache.cli.archive.forms import forms
from framecache.cli.archive.opening import archive
from framecache.cli.archive.outcomes import Outcomes
from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.session import Session
from framecache.tree.source import Source

_PREFIX = 128  # bytes before "DICM" (PS3.10 section 7.1)


def add(session: Session) -> ExitCode:
    """Add what is new, and show what became of each file. A bad file stops nothing."""
    paths = [Path(name) for name in session.arguments.paths]
    for path in paths:
        if not path.exists():
            raise CommandError(f"{path} is not there", ExitCode.USAGE)
    outcomes = Outcomes()
    with (
        archive(session, writes=True) as tree,
        forms(tree, outcomes, wanted=session.arguments.htj2k) as small_forms,
        session.output.progress() as progress,
    ):
        bar = progress.add_task("adding", total=None if session.output.is_json else _number(paths), unit="files")

        def sources() -> Iterator[Source]:
            for path in files(paths):
                progress.advance(bar)
                if is_dicom(path):
                    yield Source.file(path)
                else:
                    outcomes.ignored += 1

        for outcome in tree.add(sources(), revive=session.arguments.revive):
            outcomes.count(outcome)
            small_forms.add(outcome)
    return outcomes.show(session)


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """These files, and all files in these folders and the folders in them, in order."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for folder, folders, names in os.walk(path):
            folders.sort()
            yield from (Path(folder, name) for name in sorted(names))


def _number(paths: Iterable[Path]) -> int:
    return sum(1 for _ in files(paths))


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do (PS3.10 section 7.1). One that cannot be read is said to: it is skipped
    with a reason then."""
    if not path.is_file():
        return False
    try:
        with path.open("rb", buffering=0) as file:
            return file.read(_PREFIX + 4)[_PREFIX:] == b"DICM"
    except OSError:
        return True
