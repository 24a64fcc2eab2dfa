"""The real Orthanc of each suite starts, stops, dies and fails as the tests and `make run` need it to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from dev.console import CHECKOUT, SetupError
from dev.orthanc_folder import EXTRAS, SUITES, orthanc_folder
from dev.orthanc_server import OrthancFailed, OrthancServer

SCRIPT = """
import json, subprocess, sys
import numpy, orthanc, pydicom

def python(output, uri, **request):
    code = "import json, sys, diskcache; print(json.dumps([sys.version, sys.executable]))"
    helper = json.loads(subprocess.check_output(["python3", "-c", code]))
    output.AnswerBuffer(json.dumps({"version": sys.version, "helper": helper}), "application/json")

orthanc.RegisterRestCallback("/python", python)
"""


@pytest.fixture(params=SUITES)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OrthancServer]:
    (tmp_path / "script.py").write_text(SCRIPT)
    configuration = {"PythonScript": str(tmp_path / "script.py"), "Python": {"AllowThreads": True}}
    running = OrthancServer(request.param, tmp_path / "orthanc", configuration)
    running.start()
    yield running
    # An orderly stop takes Orthanc more than two seconds; one test below asks for it.
    with suppress(OrthancFailed):
        running.kill()


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.orthanc
def test_plugins_are_loaded_and_helpers_run_the_embedded_python(server: OrthancServer) -> None:
    assert {"python", "dicom-web", "gdcm"} <= set(requests.get(f"{server.url}/plugins", timeout=30).json())

    told = requests.get(f"{server.url}/python", timeout=30).json()

    assert told["helper"] == [told["version"], str(server.installed.wrappers / "python3")]
    assert told["version"].startswith(server.installed.python_version)


@pytest.mark.orthanc
def test_orthanc_is_reached_by_loopback_only(server: OrthancServer) -> None:
    assert requests.get(f"{server.url}/system", timeout=30).json()["DicomPort"] is not None
    assert '"RemoteAccessAllowed": false' in (server.folder / "orthanc.json").read_text()
    assert "remote access is not allowed" in server.log_path.read_text()


@pytest.mark.orthanc
def test_a_restart_keeps_the_address_and_the_storage(server: OrthancServer) -> None:
    before, pid = requests.get(f"{server.url}/system", timeout=30).json()["DatabaseServerIdentifier"], server.pid

    server.restart()

    assert server.pid != pid
    assert requests.get(f"{server.url}/system", timeout=30).json()["DatabaseServerIdentifier"] == before


@pytest.mark.orthanc
def test_a_stop_says_how_long_it_took(server: OrthancServer) -> None:
    pid, started = server.pid, time.monotonic()

    seconds = server.stop()

    assert 0 < seconds <= time.monotonic() - started
    assert not is_running(pid)
    with pytest.raises(OrthancFailed, match="not running"):
        _ = server.pid


@pytest.mark.orthanc
def test_a_stop_that_takes_too_long_is_a_failure_and_leaves_nothing(server: OrthancServer) -> None:
    pid = server.pid

    with pytest.raises(OrthancFailed, match=r"did not stop within 0\.01 s"):
        server.stop(timeout=0.01)

    assert not is_running(pid)


@pytest.mark.orthanc
def test_a_killed_orthanc_starts_again_on_its_storage(server: OrthancServer) -> None:
    pid = server.pid

    server.kill()

    assert not is_running(pid)
    server.start()
    assert requests.get(f"{server.url}/system", timeout=30).ok


@pytest.mark.orthanc
def test_an_orthanc_that_ends_by_itself_is_a_failure(server: OrthancServer) -> None:
    os.kill(server.pid, signal.SIGKILL)

    with pytest.raises(OrthancFailed, match="ended by itself"):
        server.wait()


@pytest.mark.orthanc
def test_a_second_orthanc_on_the_same_storage_is_refused(server: OrthancServer) -> None:
    with pytest.raises(SetupError, match="another Orthanc is running in"):
        OrthancServer(server.installed.suite, server.folder, {}).start()


@pytest.mark.orthanc
def test_a_taken_port_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(SetupError, match=f"port {port} cannot be had .*: set HTTP_PORT"):
            OrthancServer("trixie", tmp_path, {}, port).start()


@pytest.mark.orthanc
@pytest.mark.parametrize("suite", SUITES)
def test_an_orthanc_that_does_not_start_shows_the_end_of_its_log(suite: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("raise RuntimeError('a fault of the script')")

    with pytest.raises(OrthancFailed, match=r"(?s)ended while starting.*a fault of the script"):
        OrthancServer(suite, tmp_path / "orthanc", {"PythonScript": str(tmp_path / "script.py")}).start()


@pytest.mark.orthanc
def test_plugins_are_loaded_in_the_order_given(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("")
    configuration = {"PythonScript": str(tmp_path / "script.py")}

    with OrthancServer(
        "trixie", tmp_path / "o", configuration, plugins=["OrthancDicomWeb", "OrthancPython"]
    ) as running:
        log = running.log_path.read_text()

    assert 0 < log.index("Registering plugin 'dicom-web'") < log.index("Registering plugin 'python'")
    assert "Registering plugin 'gdcm'" not in log


@pytest.mark.orthanc
def test_orthanc_ends_with_its_starter_however_that_dies(tmp_path: Path) -> None:
    starter = textwrap.dedent(
        f"""
        import os, signal
        from pathlib import Path
        from dev.orthanc_server import OrthancServer
        Path({str(tmp_path / "script.py")!r}).touch()
        server = OrthancServer("trixie", Path({str(tmp_path)!r}), {{"PythonScript": {str(tmp_path / "script.py")!r}}})
        server.start()
        print(server.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", starter], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, timeout=60, check=False
    )
    pid, deadline = int(done.stdout), time.monotonic() + 20

    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.1)

    assert not is_running(pid)


def test_a_suite_we_do_not_support_is_refused() -> None:
    with pytest.raises(SetupError, match="ORTHANC_SUITE=bookworm is not supported: use trixie or forky"):
        orthanc_folder("bookworm")


def test_orthanc_sees_the_hosts_proxy_but_not_its_python() -> None:
    host = {"https_proxy": "http://proxy.example", "PYTHONPATH": "/host", "LD_LIBRARY_PATH": "/host", "PATH": "/bin"}
    folder = orthanc_folder("trixie")

    seen = folder.environment(host)

    assert seen["https_proxy"] == "http://proxy.example"
    assert "LD_LIBRARY_PATH" not in seen
    packages = (folder.site_packages, *map(folder.extra_packages, EXTRAS))
    assert seen["PYTHONPATH"] == os.pathsep.join(map(str, packages))
    assert seen["PATH"] == f"{folder.wrappers}{os.pathsep}/bin"
