"""Orthanc's configuration: one file, or all *.json of a folder, in which each key may be once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISDIR
from typing import Any

from framecache.errors import SettingsError
from framecache.installation.json_text import JsonText

NOT_THERE = "{} is not there: name Orthanc's configuration, a file or a folder"
_OURS = "framecache.json"


@dataclass(frozen=True)
class Configuration:
    """The files at `path`; what belongs to no file yet goes into one of our own in a folder."""

    path: Path
    files: Mapping[Path, JsonText]

    @classmethod
    def read(cls, path: Path) -> Configuration:
        """Raises SettingsError if a file cannot be read, or a key is in two of them, which Orthanc refuses."""
        files = {one: _read(one) for one in _files(path)}
        _refuse_twins(files)
        return cls(path, files)

    @property
    def value(self) -> dict[str, Any]:
        """What Orthanc makes of all files together."""
        return {key: value for text in self.files.values() for key, value in text.value.items()}

    @property
    def folder(self) -> Path:
        """Where relative paths count from."""
        return (self.path if self.path.is_dir() else self.path.parent).absolute()

    def get(self, *keys: str) -> Any:
        """The value to which the keys lead, or None."""
        value: Any = self.value
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def section(self, key: str) -> Mapping[str, Any]:
        """An object of the configuration; empty if there is none."""
        value = self.get(key)
        return value if isinstance(value, Mapping) else {}

    def with_value(self, keys: Sequence[str], value: Any) -> Configuration:
        """Changed in the file that has the first key."""
        owners = [path for path, text in self.files.items() if keys[0] in text.value]
        place = owners[0] if owners else self._place_for_new_keys()
        text = self.files.get(place, JsonText("{}\n"))
        return replace(self, files={**self.files, place: text.with_value(keys, value)})

    def refuse_neighbours(self, keys: Collection[str]) -> None:
        """Raises SettingsError if a key is in a file beside the only one, and both may be one folder for Orthanc."""
        if self.path.is_dir() or self.path.suffix.lower() != ".json":
            return
        try:
            folder = Configuration.read(self.folder)
        except SettingsError:
            return  # such as two whole configurations, of which Orthanc reads one
        for path, text in folder.files.items():
            for key in sorted({*keys} & {*text.value} - {*self.value}):
                message = f'"{key}" is in {path}, and Orthanc refuses a key that is in two files of a folder'
                raise SettingsError(f"{message}: name the folder, {folder.path}")

    def _place_for_new_keys(self) -> Path:
        return self.path / _OURS if self.path.is_dir() else self.path


def _files(path: Path) -> list[Path]:
    """Raises SettingsError if there is none, or they cannot be listed."""
    try:
        if not S_ISDIR(path.stat().st_mode):
            return [path]
        found = sorted(one for one in path.iterdir() if one.suffix.lower() == ".json" and one.is_file())
    except FileNotFoundError:
        raise SettingsError(NOT_THERE.format(path)) from None
    except OSError as error:
        raise SettingsError(_unreadable(path, error)) from error
    if not found:
        raise SettingsError(f"{path} has no file *.json: name Orthanc's configuration, a file or a folder")
    return found


def _refuse_twins(files: Mapping[Path, JsonText]) -> None:
    places: dict[str, Path] = {}
    for path, text in files.items():
        for key in text.value:
            if places.setdefault(key, path) != path:
                message = f'"{key}" is in {places[key]} and in {path}: Orthanc refuses to start'
                raise SettingsError(f"{message}; delete one of them")


def _read(path: Path) -> JsonText:
    try:
        return JsonText(path.read_bytes().decode())  # read as text, the ends of its lines would change
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(_unreadable(path, error)) from error
    except SettingsError as error:
        raise SettingsError(f"{path}, {error}") from None


def _unreadable(path: Path, error: Exception) -> str:
    advice = ": run this as a user who may, such as with sudo" if isinstance(error, PermissionError) else ""
    return f"{path} cannot be read: {getattr(error, 'strerror', None) or error}{advice}"
