"""What `pip install` makes of the package, and that the command needs nothing of what runs in Orthanc."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from typing import Any

from dev.console import CHECKOUT

LOADED = """
import sys
import framecache.cli.main
names = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
print(*sorted(names), *(name for name in sys.modules if re.match(r"framecache\\.(?!cli)", name)))
"""


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    return table


def test_the_console_script_leads_to_the_command_line() -> None:
    module, _, name = project()["scripts"]["framecache"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_the_command_loads_only_what_it_needs() -> None:
    """Neither the cache nor a codec: it runs where no Orthanc is."""
    command = [sys.executable, "-c", "import re" + LOADED]
    done = subprocess.run(command, cwd=CHECKOUT / "plugin", capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"framecache", "requests", "rich"} <= loaded
    assert not loaded & {"diskcache", "xxhash", "pydicom", "numpy", "imagecodecs"}
    assert not [name for name in loaded if name.startswith("framecache.")]


def test_pip_brings_what_the_command_needs_and_orthanc_does_not_get_it() -> None:
    names = {re.split(r"[<>=]", one)[0] for one in project()["dependencies"]}
    assert {"requests", "rich"} <= names
    in_orthanc = (CHECKOUT / "requirements/plugin.in").read_text().split()
    assert not {"requests", "rich"} & set(in_orthanc)
