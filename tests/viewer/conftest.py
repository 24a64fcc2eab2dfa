"""An Orthanc of each suite that serves OHIF, and a Chromium whose profile is empty at first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, expect, sync_playwright

from dev.console import CACHE, CHECKOUT, SetupError
from dev.ohif import make_viewer
from dev.orthanc_folder import SUITES
from dev.orthanc_server import OrthancServer
from dev.sample import Sample
from dev.slide import Level
from dev.upload import Instance, upload, wait_for_frames
from tests.docker.engine import in_ci
from tests.viewer.ohif import CHROMIUM, FLAGS, PATIENCE, chromium_with_profile, find_chromium


@pytest.fixture(scope="session", autouse=True)
def viewer() -> None:
    """OHIF and Chromium; where they cannot be had the tests are skipped, but not in CI."""
    try:
        make_viewer()
        find_chromium()
    except SetupError as error:
        if in_ci():
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=PATIENCE * 1000)  # its five seconds are not enough on a busy machine
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Without a profile: each context begins with nothing."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture(scope="module", params=SUITES)
def orthanc(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    """As `make run` starts it, on a free port and with an empty storage."""
    configuration = json.loads((CHECKOUT / "orthanc.json").read_text())
    configuration["PythonScript"] = str(CHECKOUT / "dev/viewer_script.py")
    # The stock plugin of trixie ends the server when GDCM transcodes: it needs more stack than an HTTP thread has.
    configuration["BuiltinDecoderTranscoderOrder"] = "Before"
    with OrthancServer(request.param, tmp_path_factory.mktemp(request.param), configuration) as server:
        yield server
        server.kill()  # an end takes seconds, and is not the point


@pytest.fixture(scope="module")
def browser(orthanc: OrthancServer, playwright: Playwright) -> Iterator[BrowserContext]:
    with chromium_with_profile(playwright, orthanc.folder / "profile") as browser:
        yield browser


@pytest.fixture(scope="session")
def artifacts() -> Path:
    folder = CACHE / "artifacts"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def store(orthanc: OrthancServer, sample: Sample | Level) -> Instance:
    """Upload `sample` and return when its frames are cached."""
    [instance] = upload(orthanc.url, sample.write(orthanc.folder / "sample.dcm"))
    assert wait_for_frames(orthanc.url, instance, lambda _: None).state == "cached"
    return instance
