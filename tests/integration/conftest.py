"""Each module of tests has its own Orthanc of each suite, started once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.orthanc_folder import SUITES, orthanc_folder
from tests.integration.archive import Archive, Endings, running


@pytest.fixture(scope="module", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    """The Debian suite whose Orthanc is used; `make test` has unpacked it."""
    name: str = request.param
    assert orthanc_folder(name).site_packages.is_dir(), f"python3 -m dev.bootstrap {name} makes what is missing"
    return name


@pytest.fixture(scope="module")
def folder(suite: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(suite)


@pytest.fixture(scope="session")
def endings() -> Iterator[Endings]:
    endings = Endings()
    yield endings
    endings.wait()


@pytest.fixture(scope="module")
def archive(suite: str, folder: Path, endings: Endings) -> Iterator[Archive]:
    """An Orthanc with the plugin's default settings."""
    with running(suite, folder / "orthanc", endings=endings) as archive:
        yield archive
