"""A Docker engine for the tests: the machine's own, or in CI one that is installed and started for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from dev.console import CACHE, SetupError, run

START_SECONDS = 120.0
STOP_SECONDS = 30.0


def in_ci() -> bool:
    return os.environ.get("CI", "") not in ("", "0", "false")


def answers() -> bool:
    """Whether an engine answers where the Docker client looks for it."""
    return bool(shutil.which("docker")) and succeeds("docker", "version")


def compose_command() -> str | None:
    """`docker compose` (v2) or `docker-compose` (v1.29, or v2 by itself), whichever is there."""
    if shutil.which("docker") and succeeds("docker", "compose", "version"):
        return "docker compose"
    return "docker-compose" if shutil.which("docker-compose") else None


def succeeds(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@contextmanager
def docker_engine() -> Iterator[None]:
    """An engine that answers while the context lasts, with Compose and mmdebstrap beside it.

    Raises SetupError, with the reason in one line, when there is none; in CI that is after all was tried.
    """
    if in_ci():
        install_missing()
    if not (shutil.which("mmdebstrap") and compose_command()):
        raise SetupError("Docker Compose or mmdebstrap is missing (CI=true installs them)")
    if answers():
        yield
    elif in_ci():
        with started_engine():
            yield
    else:
        raise SetupError("no Docker engine answers (CI=true starts one)")


def install_missing() -> None:
    wanted = {
        "docker.io": bool(shutil.which("docker") and (answers() or shutil.which("dockerd"))),
        "docker-compose": bool(compose_command()),
        "mmdebstrap": bool(shutil.which("mmdebstrap")),
    }
    packages = [package for package, present in wanted.items() if not present]
    if packages and os.geteuid() != 0:
        raise SetupError(f"the Docker tests need root in CI, or as root: apt-get install {' '.join(packages)}")
    if packages:
        failure = f"{', '.join(packages)} cannot be installed"
        run(["apt-get", "update"], failure=failure)
        run(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", *packages], failure=failure)


@contextmanager
def started_engine() -> Iterator[None]:
    """`dockerd`, its images kept in .cache/docker, on a socket that DOCKER_HOST names while it runs."""
    # Not in the checkout: the path of a Unix socket is limited to 108 characters.
    with tempfile.TemporaryDirectory(prefix="framecache-docker-") as folder, (CACHE / "dockerd.log").open("wb") as log:
        host = f"unix://{folder}/docker.sock"
        # The engine ends with the test run, however that one dies.
        ending = ["setpriv", "--pdeathsig", "TERM"]
        places = [
            f"--data-root={(CACHE / 'docker').resolve()}",
            f"--exec-root={folder}/exec",
            f"--pidfile={folder}/docker.pid",
        ]
        command = [*ending, "dockerd", *places, f"--host={host}"]
        daemon = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            with mock.patch.dict(os.environ, DOCKER_HOST=host):
                wait_until_answering(daemon)
                remove_leftovers()
                yield
        finally:
            stop(daemon)


def wait_until_answering(daemon: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise SetupError(f"dockerd does not start: {last_line(CACHE / 'dockerd.log')}")
        time.sleep(0.2)


def remove_leftovers() -> None:
    """Remove the containers of a test run that was killed: they start again with the engine."""
    failure = "the containers of an earlier run cannot be removed"
    if containers := run(["docker", "ps", "--all", "--quiet"], failure=failure).split():
        run(["docker", "rm", "--force", *containers], failure=failure)
    run(["docker", "volume", "prune", "--force"], failure=failure)


def last_line(log: Path) -> str:
    return log.read_text(errors="replace").rstrip().rpartition("\n")[2]


def stop(daemon: subprocess.Popen[bytes]) -> None:
    """End the engine; it ends its containers and containerd itself."""
    daemon.terminate()
    try:
        daemon.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
