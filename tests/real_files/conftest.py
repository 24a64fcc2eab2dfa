"""The real files, what pydicom makes of them, and Orthancs that hold them all: with the plugin, and without."""

from __future__ import annotations

import pytest

from dev.console import SetupError
from dev.orthanc_folder import SUITES
from dev.real_files import make_real_files
from tests.docker.engine import in_ci
from tests.real_files.asking import servers
from tests.real_files.findings import Finding
from tests.real_files.images import Image, images
from tests.real_files.truth import Truth


@pytest.fixture(scope="session", autouse=True)
def real_files() -> None:
    """They are downloaded; where they cannot be had the tests are skipped, but not in CI."""
    try:
        make_real_files()
    except SetupError as error:
        if in_ci():
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def truth(real_files: None, tmp_path_factory: pytest.TempPathFactory) -> Truth:  # noqa: ARG001
    truth = Truth(tmp_path_factory.mktemp("truth"))
    truth.write()
    return truth


@pytest.fixture(scope="session")
def corpus(real_files: None) -> list[Image]:  # noqa: ARG001
    return images()


@pytest.fixture(scope="session", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def findings(suite: str, corpus: list[Image], truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    """Of all images in all forms."""
    with servers(suite, tmp_path_factory.mktemp(f"real-files-{suite}")) as asked:
        return asked.findings(corpus, truth)
