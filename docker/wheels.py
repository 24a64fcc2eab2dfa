"""Download the wheels that docker/Dockerfile installs, for an image build that reaches no package index.

Run by `make wheels` with the virtual environment's Python, whose pip does the work: for each Python that an Orthanc
image may embed, what the lock files below requirements pin, checked against their hashes, into docker/wheels.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
LOCKS = tuple(CHECKOUT / f"requirements/{name}.txt" for name in ("plugin", "archive", "cli", "cluster", "otel"))
WHEELS = CHECKOUT / "docker/wheels"

PYTHON_VERSIONS = ("3.13", "3.14")
"""Debian trixie's, and that of forky and orthancteam/orthanc:26.8.1."""


def download(python_version: str, folder: Path) -> None:
    """Put the wheels for `python_version` and this machine's architecture into `folder`.

    Raises subprocess.CalledProcessError when a wheel is missing, out of reach, or not the locked one.
    """
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    wanted = ["--require-hashes", "--only-binary=:all:", f"--python-version={python_version}", f"--dest={folder}"]
    subprocess.run([*pip, *wanted, *(f"--requirement={lock}" for lock in LOCKS)], check=True)


def replace_wheels(folder: Path) -> None:
    """Put the wheels of `folder` in the place of those of an older lock file."""
    for outdated in WHEELS.glob("*.whl"):
        outdated.unlink()
    for wheel in folder.glob("*.whl"):
        wheel.rename(WHEELS / wheel.name)


def main() -> int:
    try:
        with tempfile.TemporaryDirectory(dir=WHEELS) as folder:
            for python_version in PYTHON_VERSIONS:
                download(python_version, Path(folder))
            replace_wheels(Path(folder))
    except subprocess.CalledProcessError:
        print("error: no wheels: check the network, or name a package index in PIP_INDEX_URL", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
