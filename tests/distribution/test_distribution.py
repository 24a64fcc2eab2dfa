"""What a package index would hold, installed by pip into the Pythons that run it, serves without anything else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import framecache
import pytest

from dev.console import CHECKOUT
from dev.orthanc_folder import SUITES, OrthancFolder, orthanc_folder
from dev.orthanc_server import OrthancServer
from dev.sample import Sample
from tests.integration.archive import CONFIGURATION, Archive
from tests.integration.parts import parts_of

pytestmark = pytest.mark.slow

SOURCES = ("LICENSE", "README.md", "pyproject.toml")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
SMALL = Sample(frames=2, rows=64, columns=96)
SCRIPT = "import orthanc\nfrom framecache import install\n\ninstall(orthanc)\n"
HTJ2K = 'multipart/related; type="image/jphc"; transfer-syntax=1.2.840.10008.1.2.4.201'
VERSION = f"framecache {framecache.__version__}\n"


@dataclass(frozen=True)
class Distribution:
    """A wheel and a source distribution; `constraints` names the versions that the other tests run with."""

    wheel: Path
    source: Path
    constraints: Path


@dataclass(frozen=True)
class Installed(OrthancFolder):
    """An Orthanc whose Python finds the packages of one folder only."""

    packages: Path

    def environment(self, host: Mapping[str, str]) -> dict[str, str]:
        return super().environment(host) | {"PYTHONPATH": str(self.packages)}


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """Built of a copy, as setuptools leaves its own files beside the sources; the wheel is built of the other one."""
    folder = tmp_path_factory.mktemp("distribution")
    shutil.copytree(CHECKOUT / "plugin", folder / "plugin", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in SOURCES:
        shutil.copy(CHECKOUT / name, folder)
    run(sys.executable, "-m", "build", "--no-isolation", str(folder))
    [wheel], [source] = (folder / "dist").glob("*.whl"), (folder / "dist").glob("*.tar.gz")
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(sorted({*pins("plugin"), *pins("dev")})))
    return Distribution(wheel, source, constraints)


@pytest.fixture(scope="module")
def index(distribution: Distribution, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips where no package can be fetched, but not in CI."""
    folder = tmp_path_factory.mktemp("index")
    command = (
        *PIP,
        "download",
        "--no-deps",
        f"--constraint={distribution.constraints}",
        "--dest",
        str(folder),
        "xxhash",
    )
    if (
        os.environ.get("CI") is None
        and subprocess.run(command, capture_output=True, check=False, timeout=60).returncode
    ):
        pytest.skip("no package index can be reached")


def pins(lock: str) -> list[str]:
    """The versions of a lock file without their hashes, which a file that was built just now cannot have."""
    found = re.findall(
        r"^([\w.-]+)(?:\[\w+\])?(==\S+)", (CHECKOUT / f"requirements/{lock}.txt").read_text(), re.MULTILINE
    )
    return [name + version for name, version in found]


def run(*command: str, environment: Mapping[str, str] = os.environ) -> str:
    """What a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_wheel_and_source_have_every_file_of_the_package(distribution: Distribution) -> None:
    package = CHECKOUT / "plugin/framecache"
    files = {str(path.relative_to(package.parent)) for path in package.rglob("*") if path.is_file()}
    files = {name for name in files if "__pycache__" not in name}
    in_wheel = {name for name in ZipFile(distribution.wheel).namelist() if ".dist-info/" not in name}
    with tarfile.open(distribution.source) as opened:
        in_source = {name.partition("/plugin/")[2] for name in opened.getnames()}
    assert in_wheel == files
    assert files <= in_source


@pytest.mark.usefixtures("index")
def test_the_source_installs_into_a_virtual_environment(distribution: Distribution, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv"))
    python = tmp_path / "venv/bin/python"
    install = (*PIP, f"--python={python}", "install", "--no-compile", f"--constraint={distribution.constraints}")
    run(*install, str(distribution.source))
    alone = {"PATH": os.environ["PATH"]}
    assert run(str(python.with_name("framecache")), "--version", environment=alone) == VERSION
    programs = "import framecache, framecache.app, imagecodecs, numpy; print(framecache.__version__)"
    assert run(str(python), "-c", programs, environment=alone).strip() == framecache.__version__


@pytest.mark.orthanc
@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("suite", SUITES)
def test_an_orthanc_with_the_wheel_serves_a_hit_and_transcodes(
    distribution: Distribution, suite: str, tmp_path: Path
) -> None:
    folder = orthanc_folder(suite)
    installed = Installed(suite, folder.root, tmp_path / "packages")
    for_it = ("--only-binary=:all:", f"--python-version={installed.python_version}", f"--target={installed.packages}")
    run(*PIP, "install", "--no-compile", f"--constraint={distribution.constraints}", *for_it, str(distribution.wheel))
    environment = installed.environment({"PATH": os.environ["PATH"]})
    python = str(installed.wrappers / "python3")
    assert run(python, "-m", "framecache", "--version", environment=environment) == VERSION
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    server = OrthancServer(suite, tmp_path / "orthanc", {**CONFIGURATION, "PythonScript": str(script)})
    server.installed = installed
    with server:
        assert_it_serves(Archive(server))
    shutil.rmtree(installed.packages)  # pytest would keep 160 MB of each run


def assert_it_serves(archive: Archive) -> None:
    """A frame from the cache, and one that is transcoded."""
    archive.wait_until_checked()
    assert archive.advice() == {}
    assert archive.status()["Version"] == framecache.__version__
    instance = archive.store(SMALL)
    hit = archive.frames(instance, "1")
    assert hit.headers["X-Frame-Cache"] == "hit"
    assert [part.payload for part in parts_of(hit)] == [next(SMALL.pixels()).tobytes()]
    transcoded = archive.frames(instance, "2", HTJ2K)
    assert transcoded.headers["X-Frame-Cache"] == "miss"
    assert [part.content_type for part in parts_of(transcoded)] == [
        "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.201"
    ]
