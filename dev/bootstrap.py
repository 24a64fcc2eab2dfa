"""Everything a fresh machine needs, put into `.cache`: `python3 -m dev.bootstrap [trixie] [forky]`.

Runs on a bare Debian's own Python 3.11 with nothing but the standard library, apt and dpkg.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dev.console import CACHE, CHECKOUT, SetupError, environment_with, exit_code, run, say
from dev.debian import AptRoot
from dev.once import make_once, one_at_a_time
from dev.orthanc_folder import OrthancFolder, orthanc_folder, unpack

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
    run(
        [f"{sys.base_prefix}/bin/{BASE_PYTHON}", "-m", "venv", "--without-pip", "--clear", str(VENV)],
        failure="the virtual environment cannot be made",
    )
    pip_install(["--requirement", str(lock)], pip=_pip_of_debian())


def _pip_of_debian() -> Path:
    """Debian's pip as a wheel, which runs without being installed: a bare Python has neither pip nor ensurepip."""
    folder = CACHE / "pip"
    with AptRoot("trixie") as apt:
        apt.unpack_alone("python3-pip-whl", folder)
    for wheel in folder.glob("usr/share/python-wheels/pip-*.whl"):
        return wheel
    raise SetupError("Debian's python3-pip-whl holds no pip: install python3-venv and start again")


def pip_install(arguments: list[str], *, pip: Path | None = None) -> None:
    """Install locked requirements with the venv's pip, or with the wheel `pip` while the venv has none."""
    environment = environment_with(PYTHONPATH=str(pip)) if pip else None
    run(
        [str(PYTHON), "-m", "pip", "install", "--quiet", "--require-hashes", "--disable-pip-version-check", *arguments],
        failure="Python packages cannot be fetched: check the network, or name a package index in PIP_INDEX_URL",
        environment=environment,
    )


def make_site_packages(folder: OrthancFolder) -> None:
    """Make sure that the plugin's dependencies are there for the Python embedded in this Orthanc."""
    lock = REQUIREMENTS / "plugin.txt"
    make_once(folder.site_packages, folder.python_version + lock.read_text(), lambda: _fill_site_packages(folder, lock))


def _fill_site_packages(folder: OrthancFolder, lock: Path) -> None:
    say(f"Installing the plugin's dependencies for Python {folder.python_version} …")
    # No byte code: pip would make it with the host's Python; Orthanc's own writes it on the first start.
    target = ["--target", str(folder.site_packages), "--no-compile", "--only-binary", ":all:"]
    version = ["--python-version", folder.python_version]
    pip_install([*target, *version, "--requirement", str(lock)])


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
