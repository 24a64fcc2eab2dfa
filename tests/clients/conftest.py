"""A slide in each encoding in a real Orthanc of each suite, and programs that use other people's clients."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.clients import CLIENTS_PYTHON, make_clients
from dev.console import SetupError
from dev.orthanc_folder import SUITES
from dev.slide import slide
from dev.upload import upload
from tests.integration.archive import Archive, running

PROGRAMS = Path(__file__).with_name("programs")
ENCODINGS = ("explicit", "jpeg", "jpeg-2000", "htj2k")
TILES = 4

Run = Callable[..., Any]


@pytest.fixture(scope="session")
def run() -> Run:
    """Runs a program with arguments and returns what it prints; skipped where clients cannot be had, but not in CI."""
    try:
        make_clients()
    except SetupError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))

    def run(program: str, *arguments: str) -> Any:
        command = [str(CLIENTS_PYTHON), "-W", "ignore", str(PROGRAMS / f"{program}.py"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture(scope="module", params=SUITES)
def slides(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """An Orthanc that has the levels of a slide in each encoding, all of them cached."""
    folder = tmp_path_factory.mktemp(request.param)
    with running(request.param, folder / "orthanc", {"FrameCache": {"MinimumFrames": 1}}) as archive:
        levels = [level for encoding in ENCODINGS for level in slide(encoding, TILES)]
        uploaded = [upload(archive.server.url, level.write(folder / "level.dcm")) for level in levels]
        for [instance] in uploaded:
            archive.wait_until_cached(instance)
        yield archive
