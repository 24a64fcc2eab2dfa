"""`framecache install` and `doctor` with the configuration of Debian's packages, and an Orthanc that starts of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from framecache.cli.main import main
from framecache.installation.configuration import Configuration

from dev.console import CHECKOUT
from dev.orthanc_folder import OrthancFolder, orthanc_folder
from dev.orthanc_server import START_SECONDS, answers, free_port

pytestmark = pytest.mark.orthanc

# The fault, and the check that names it in the files and in the server.
FAULTS: dict[str, tuple[tuple[str, ...], object, str, str]] = {
    "threads": (("Python", "AllowThreads"), False, "AllowThreads", "AllowThreads"),
    "order": (("Plugins",), None, "PluginOrder", "RouteOrder"),
    "setting": (("FrameCache", "Workers"), 0, "Settings", "Settings"),
}


@dataclass(frozen=True)
class Debian:
    """A copy of /etc/orthanc with the paths of the unpacked packages."""

    installed: OrthancFolder
    etc: Path
    port: int

    def change(self, *keys: str, value: object) -> None:
        changed = Configuration.read(self.etc).with_value(keys, value)
        for path, text in changed.files.items():
            path.write_text(text.text)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Orthanc of the folder itself, as Debian's service starts it."""
        environment = self.installed.environment(os.environ)
        with (self.etc.parent / "log").open("wb") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *self.installed.command(str(self.etc))],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait(lambda: answers(self.port))
            self._wait(self._is_checked)
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _is_checked(self) -> bool:
        """The start-up checks begin when Orthanc answers already."""
        status = requests.get(f"http://127.0.0.1:{self.port}/frame-cache/status", timeout=10).json()
        return not status["Serving"] or "RouteOrder" in {check["Name"] for check in status["Checks"]}

    def _wait(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not done():
            assert time.monotonic() < deadline, (self.etc.parent / "log").read_text()[-2000:]
            time.sleep(0.1)


@pytest.fixture(scope="module")
def debian(suite: str, folder: Path) -> Debian:
    """Installed by the command."""
    installed, etc, port = orthanc_folder(suite), folder / "etc", free_port()
    shutil.copytree(installed.root / "etc/orthanc", etc)
    made = Debian(installed, etc, port)
    made.change("Plugins", value=[str(installed.plugin("OrthancPython").parent)])
    for key, value in {
        "HttpPort": port,
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "DicomServerEnabled": False,
        "AuthenticationEnabled": False,
    }.items():
        made.change(key, value=value)
    (folder / "db").mkdir()
    code = main(["install", str(etc), "--yes", "--packages", str(CHECKOUT / "plugin"), "--json"])
    assert code in {0, 1}, "1: this machine's Python is not Orthanc's"
    made.change("FrameCache", value={"MaximumSizeMB": 64, "MinimumFreeDiskMB": 0})
    return made


@pytest.fixture
def doctor(debian: Debian, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[], Failed]:
    """The failed checks of the files, and of the server."""
    monkeypatch.setenv("PYTHONPATH", debian.installed.environment({})["PYTHONPATH"])
    program = str(debian.installed.wrappers / "python3")
    command = ["doctor", str(debian.etc), "--json", "--python", program, "--url", f"http://127.0.0.1:{debian.port}"]

    def run() -> Failed:
        capsys.readouterr()
        code = main(command)
        checks = json.loads(capsys.readouterr().out)["Checks"]
        failed = {(one["From"], one["Name"]) for one in checks if not one["Passed"]}
        assert code == bool(failed)
        return failed

    return run


Failed = set[tuple[str, str]]


def test_after_the_installation_the_doctor_finds_nothing(debian: Debian, doctor: Callable[[], Failed]) -> None:
    assert doctor() == {("server", "Server")}
    with debian.running():
        assert doctor() == set()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_from_the_files_and_by_the_server(
    debian: Debian, doctor: Callable[[], Failed], fault: str
) -> None:
    keys, value, of_the_files, of_the_server = FAULTS[fault]
    texts = {path: path.read_text() for path in debian.etc.glob("*.json")}
    plugins = Configuration.read(debian.etc).get("Plugins")
    debian.change(*keys, value=plugins[1::-1] + plugins[2:] if fault == "order" else value)
    with debian.running():
        assert {("files", of_the_files), ("server", of_the_server)} <= doctor()
    for path, text in texts.items():
        path.write_text(text)
