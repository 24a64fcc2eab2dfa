"""Everything a fresh machine needs, put into `.cache`: `python3 -m dev.bootstrap [trixie] [forky]`.

Runs on a bare Debian's own Python 3.11 with nothing but the standard library, apt and dpkg.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from dev.console import CACHE, CHECKOUT, exit_code, run, say
from dev.debian_pip import DebianPip, install
from dev.once import make_once, one_at_a_time
from dev.orthanc_folder import EXTRAS, OrthancFolder, orthanc_folder, unpack

VENV = CACHE / "venv"
PYTHON = VENV / "bin/python"
REQUIREMENTS = CHECKOUT / "requirements"

# Not sys.executable, which may be the very venv that is to be replaced.
BASE_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


def make_venv() -> None:
    """Make sure that `.cache/venv` holds the tooling of requirements/dev.txt."""
    lock = REQUIREMENTS / "dev.txt"
    make_once(VENV, BASE_PYTHON + lock.read_text(), lambda: _fill_venv(lock))


def _fill_venv(lock: Path) -> None:
    say("Installing the development tools …")
    command = [f"{sys.base_prefix}/bin/{BASE_PYTHON}", "-m", "venv", "--without-pip", str(VENV)]
    run(command, failure="the virtual environment cannot be made")
    debian_pip = DebianPip.unpack(VENV / "debian")
    install(PYTHON, ["--requirement", str(lock)], debian_pip.environment())


def make_site_packages(folder: OrthancFolder) -> None:
    """Make sure that the plugin's dependencies, and its extras', are there for this Orthanc's embedded Python."""
    extras = ((folder.extra_packages(extra), f"{extra}.txt") for extra in EXTRAS)
    for target, lock in ((folder.site_packages, "plugin.txt"), *extras):
        wanted = (REQUIREMENTS / lock).read_text()
        make_once(target, folder.python_version + wanted, partial(_fill_site_packages, folder, target, lock))


def _fill_site_packages(folder: OrthancFolder, target: Path, lock: str) -> None:
    say(f"Installing {lock} for Python {folder.python_version} …")
    options = ["--target", str(target), "--only-binary", ":all:", "--python-version", folder.python_version]
    install(PYTHON, [*options, "--requirement", str(REQUIREMENTS / lock)])


def bootstrap(suites: list[str]) -> None:
    """Make the venv, and for each suite a real Orthanc with the plugin's dependencies."""
    folders = [orthanc_folder(suite) for suite in suites]
    with one_at_a_time():
        make_venv()
        for folder in folders:
            unpack(folder.suite)
            make_site_packages(folder)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 -m dev.bootstrap", description=__doc__)
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help="Debian suites whose Orthanc is wanted; none: the tools only"
    )
    bootstrap(parser.parse_args().suites)


if __name__ == "__main__":
    sys.exit(exit_code(main))
