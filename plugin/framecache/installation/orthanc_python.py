"""The Python inside Orthanc: which version its plugin embeds, where its program is, and which packages it lacks."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

PLUGIN = "libOrthancPython.so"
FOLDERS = (
    Path("/usr/share/orthanc/plugins"),
    Path("/usr/share/orthanc/plugins-available"),
    Path("/usr/local/share/orthanc/plugins"),
    Path("/usr/lib/orthanc/plugins"),
)
# The first Python whose Orthanc plugin (5.0) can release the GIL: that of Debian 13.
OLDEST = (3, 13)
PACKAGES = ("diskcache", "imagecodecs", "numpy", "pydicom", "xxhash", "framecache")

EXTRAS: Mapping[str, Sequence[str]] = MappingProxyType(
    {"archive": ("obstore",), "cluster": ("procrastinate", "psycopg", "psycopg_pool")}
)

_LINKED = re.compile(rb"libpython(3\.\d+)[\w.]*\.so")
_ASK = """
import importlib, json, sys
sys.path[:0] = json.loads(sys.argv[1])
missing = {}
for name in sys.argv[2:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        missing[name] = str(error)
print(json.dumps({"version": "%d.%d" % sys.version_info[:2], "missing": missing}))
"""


@dataclass(frozen=True)
class Interpreter:
    """What the program of a Python says of itself; `missing` names what it cannot import, and why."""

    program: str
    version: str
    missing: Mapping[str, str]


def plugin_files(plugins: Any, folder: Path) -> list[Path]:
    """The libraries that "Plugins" names, relative to `folder`; those of a folder in the order of their names."""
    found: list[Path] = []
    for entry in plugins if isinstance(plugins, list) else []:
        path = folder / str(entry)
        found += sorted(path.glob("*.so")) if path.is_dir() else [path]
    return found


def find_plugin(files: Sequence[Path], name: str = PLUGIN) -> Path | None:
    """A library among those that are loaded, or where packages put it."""
    candidates = [*(path for path in files if path.name == name), *(folder / name for folder in FOLDERS)]
    return next((path for path in candidates if path.is_file()), None)


def embedded_version(library: Path) -> str | None:
    """The Python that a plugin's library is linked with, such as "3.13"; None if it names none."""
    try:
        found = _LINKED.search(library.read_bytes())
    except OSError:
        return None
    return found[1].decode() if found else None


def find_program(version: str) -> str:
    """The Python of this version on PATH; else `python3`, which the plugin starts by default."""
    return shutil.which(f"python{version}") or "python3"


def pip_command(version: str, folder: Path, extras: Sequence[str] = ()) -> str:
    """How to install the package with all it needs for that Python; no package index has it."""
    options = f"--target={folder} --python-version={version} --only-binary=:all: --upgrade"
    package = f"'.[{','.join(extras)}]'" if extras else "."
    return f"python3 -m pip install {options} {package}  # in a checkout"


def ask(program: str, folders: Sequence[Path], names: Sequence[str] = PACKAGES) -> Interpreter | None:
    """Let a Python import the packages, first those in the folders; None if it does not answer."""
    try:
        done = subprocess.run(  # noqa: S603 - the program that the settings or the command line name
            [program, "-P", "-c", _ASK, json.dumps(list(map(str, folders))), *names],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        answer = json.loads(done.stdout)
        return Interpreter(program, answer["version"], answer["missing"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None


def too_old(version: str) -> bool:
    """Whether the plugin cannot run in this Python."""
    return tuple(map(int, version.split("."))) < OLDEST
