"""Other people's DICOMweb clients, in an environment of their own: `python -m dev.clients` makes `.cache/clients`."""

from __future__ import annotations

import sys

from dev.bootstrap import BASE_PYTHON, PYTHON, REQUIREMENTS
from dev.console import CACHE, exit_code, run, say
from dev.debian_pip import install
from dev.once import make_once, one_at_a_time

FOLDER = CACHE / "clients"
CLIENTS_PYTHON = FOLDER / "bin/python"
LOCK = REQUIREMENTS / "clients.txt"


def make_clients() -> None:
    """Make sure that they are there. Raises SetupError where they cannot be fetched."""
    with one_at_a_time():
        make_once(FOLDER, BASE_PYTHON + LOCK.read_text(), _fill)


def _fill() -> None:
    say("Installing DICOMweb clients for the tests …")
    interpreter = f"{sys.base_prefix}/bin/{BASE_PYTHON}"
    run([interpreter, "-m", "venv", "--without-pip", str(FOLDER)], failure="the virtual environment cannot be made")
    [packages] = FOLDER.glob("lib/python*/site-packages")
    install(PYTHON, ["--target", str(packages), "--requirement", str(LOCK)])


if __name__ == "__main__":
    sys.exit(exit_code(make_clients))
