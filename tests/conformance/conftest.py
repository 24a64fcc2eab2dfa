"""One Orthanc of each suite for the whole table, all instances uploaded once; and the plugin without a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.orthanc_folder import SUITES, orthanc_folder
from tests.conformance.client import HttpClient
from tests.conformance.direct import Direct, direct
from tests.conformance.stored import STORED, VIDEOS
from tests.integration.archive import Archive, Endings, running

EVERYTHING = (*STORED, *VIDEOS)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Direct]:
    with direct(tmp_path_factory.mktemp("direct")) as plugin:
        for number, stored in enumerate(EVERYTHING):
            plugin.store(stored, number=number)
        yield plugin


@pytest.fixture(scope="module")
def plugin(installed: Direct) -> Direct:
    """The plugin that is installed once, without what other modules' tests wrote into the log."""
    installed.forget_errors()
    return installed


@pytest.fixture(scope="session", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    assert orthanc_folder(name).site_packages.is_dir(), f"python3 -m dev.bootstrap {name} makes what is missing"
    return name


@pytest.fixture(scope="session")
def endings() -> Iterator[Endings]:
    endings = Endings()
    yield endings
    endings.wait()


@pytest.fixture(scope="session")
def archive(suite: str, tmp_path_factory: pytest.TempPathFactory, endings: Endings) -> Iterator[Archive]:
    """An Orthanc with the plugin's default settings that holds every instance of the table."""
    with running(
        suite, tmp_path_factory.mktemp(suite) / "orthanc", {"KeepAlive": True, "KeepAliveTimeout": 60}, endings=endings
    ) as archive:
        upload(HttpClient(archive.server.url))
        yield archive


@pytest.fixture(scope="session")
def client(archive: Archive) -> HttpClient:
    return HttpClient(archive.server.url)


def upload(client: HttpClient) -> None:
    for stored in EVERYTHING:
        answer = client.store(stored.file())
        assert answer.status_code == 200, (stored.name, answer.text)
