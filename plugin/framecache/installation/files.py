"""Writes the files of an installation, all or none, keeps what was there before, and takes it back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from framecache.errors import SettingsError

SCRIPT = '''"""Orthanc's PythonScript, written by `framecache install`."""

import sys

sys.path.insert(0, {packages!r})

import orthanc
from framecache import install

install(orthanc)
'''
_MODE = 0o644  # the user `orthanc` reads what root has written


@dataclass(frozen=True)
class Files:
    """Paths with their texts before and after; None is no file. `record` keeps both for `undo`."""

    before: Mapping[Path, str | None]
    after: Mapping[Path, str | None]
    record: Path

    @classmethod
    def planned(cls, wanted: Mapping[Path, str], record: Path) -> Files:
        """Only those that change."""
        before = {path: _text(path) for path in wanted}
        changed = {path: text for path, text in wanted.items() if text != before[path]}
        return cls({path: before[path] for path in changed}, changed, record)

    @classmethod
    def recorded(cls, record: Path) -> Files:
        """The way back. Raises SettingsError if nothing was installed, or files were changed since."""
        after, before = _recorded(record)
        if not before:
            raise SettingsError(f"nothing to undo: {record} is not there")
        if strangers := [str(path) for path in before if path.parent.resolve() != record.parent.resolve()]:
            # Root may run this in a folder that Orthanc's user writes to.
            raise SettingsError(f"{record} is damaged: {', '.join(strangers)} is not beside it; undo by hand")
        if changed := [str(path) for path in before if _text(path) != before[path]]:
            message = f"{', '.join(changed)} was changed since: undo by hand"
            raise SettingsError(f"{message}; {record} has the texts from before")
        return cls(before, after, record)

    def difference(self) -> str:
        """What changes, as `diff -u` shows it."""
        return "".join(line for path in self.after for line in self._lines(path))

    def _lines(self, path: Path) -> Iterator[str]:
        old, new = ((self.before[path] or ""), (self.after[path] or ""))
        there, stays = (
            str(path) if text is not None else "/dev/null" for text in (self.before[path], self.after[path])
        )
        for line in unified_diff(old.splitlines(), new.splitlines(), there, stays, lineterm=""):
            yield line + "\n"

    def write(self) -> None:
        """Record what was there, then change it. Raises SettingsError, having changed nothing."""
        before, after = self._since_the_first()
        kept = {"Before": before, "After": after}
        texts = {key: {str(path): text for path, text in files.items()} for key, files in kept.items()}
        self._write({self.record: json.dumps(texts, indent=2), **self.after})

    def _since_the_first(self) -> tuple[dict[Path, str | None], dict[Path, str | None]]:
        """An installation over an earlier one is taken back with it, but for files that were changed between them."""
        earlier, later = _recorded(self.record)
        kept = {path for path, text in later.items() if _text(path) == text}
        before = {**self.before, **{path: earlier[path] for path in kept}}
        return before, {**{path: later[path] for path in kept}, **self.after}

    def take_back(self) -> None:
        """Write the texts of `after`, and forget the record. Raises SettingsError, having changed nothing."""
        self._write(self.after)
        self.record.unlink()

    def _write(self, texts: Mapping[Path, str | None]) -> None:
        written: list[tuple[Path, str | None]] = []
        try:
            for path, text in texts.items():
                written.append((path, _text(path)))
                _put(path, text, 0o600 if path == self.record else _MODE)
        except OSError as error:
            for path, text in reversed(written):
                with suppress(OSError):
                    _put(path, text, _MODE)
            message = f"{path} cannot be written ({error.strerror})"
            raise SettingsError(f"{message}: run this as the user who may, such as with sudo") from error


def _recorded(record: Path) -> tuple[dict[Path, str | None], dict[Path, str | None]]:
    """The texts before and after an installation; empty without one. Raises SettingsError."""
    text = _text(record)
    try:
        kept = json.loads(text) if text else {"Before": {}, "After": {}}
        before, after = ({Path(path): text for path, text in kept[key].items()} for key in ("Before", "After"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{record} is damaged: undo by hand, and delete it") from error
    return before, after


def _put(path: Path, text: str | None, mode: int) -> None:
    """Replace a file at once; a file that is there keeps its mode and owner."""
    if text is None:
        path.unlink(missing_ok=True)
        return
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
        _take_after(new, target, mode)
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _take_after(new: Path, target: Path, mode: int) -> None:
    try:
        found = target.stat()
    except FileNotFoundError:
        new.chmod(mode)
        return
    with suppress(PermissionError):
        os.chown(new, found.st_uid, found.st_gid)
    new.chmod(found.st_mode & 0o777)


def _text(path: Path) -> str | None:
    """Raises SettingsError if there is a file that cannot be read."""
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
