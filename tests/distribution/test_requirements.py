"""What `pip install framecache` brings is what the locked requirements have, which all other tests run with."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

import framecache
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dev.console import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = CHECKOUT / "requirements"
COMMAND_LINE = {"requests", "rich"}
LOCKS = {"archive": "archive", "client": "clients", "cluster": "cluster", "otel": "otel", "parquet": "dev"}
OF_LARGER_LOCKS = {"client": {"dicomweb-client"}, "parquet": {"pyarrow"}}


def wanted(lines: Iterable[str]) -> dict[str, Requirement]:
    """The requirements by their names, as PEP 503 spells them."""
    return {canonicalize_name(one.name): one for one in map(Requirement, lines)}


def listed(name: str) -> set[str]:
    """The packages that requirements/`name`.in asks for."""
    lines = (REQUIREMENTS / f"{name}.in").read_text().splitlines()
    return set(wanted(line for line in lines if line and not line.startswith(("#", "-"))))


def locked(path: Path) -> Mapping[str, str]:
    """The version of each package that a lock file pins."""
    return dict(re.findall(r"^([\w.-]+)(?:\[\w+\])?==(\S+)", path.read_text(), re.MULTILINE))


def test_the_package_brings_what_runs_in_orthanc_and_what_the_command_line_needs() -> None:
    assert set(wanted(PROJECT["dependencies"])) == listed("plugin") | COMMAND_LINE


@pytest.mark.parametrize("extra", LOCKS)
def test_an_extra_brings_what_its_requirements_ask_for(extra: str) -> None:
    asked = OF_LARGER_LOCKS.get(extra) or listed(LOCKS[extra])
    assert asked <= listed(LOCKS[extra])
    assert set(wanted(PROJECT["optional-dependencies"][extra])) == asked


def test_every_extra_has_locked_requirements() -> None:
    assert set(PROJECT["optional-dependencies"]) == set(LOCKS)


@pytest.mark.parametrize("lock", sorted({"dev", "plugin", *LOCKS.values()}))
def test_the_locked_versions_are_among_those_that_the_package_allows(lock: str) -> None:
    allowed = wanted(chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()))
    for name, version in locked(REQUIREMENTS / f"{lock}.txt").items():
        if name in allowed:
            assert allowed[name].specifier.contains(version), f"{lock}.txt has {name} {version}: {allowed[name]}"


def test_the_version_is_there_without_an_installation() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", framecache.__version__)


def test_the_readme_is_of_this_version() -> None:
    assert (CHECKOUT / "README.md").read_text().startswith(f"# framecache {framecache.__version__}\n")


WITHOUT_EXTRAS = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ImportError(f"No module named {{name!r}}")

sys.meta_path.insert(0, Missing())
import framecache.app
"""


def test_orthanc_needs_no_extra_and_nothing_of_the_command_line() -> None:
    """A module of one that is imported at the start would keep Orthanc from starting."""
    extras = {"obstore", "procrastinate", "psycopg", "psycopg_pool", "dicomweb_client", "opentelemetry", "pyarrow"}
    program = WITHOUT_EXTRAS.format(names=sorted(extras | COMMAND_LINE))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT / "plugin", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
