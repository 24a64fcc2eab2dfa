"""pytest-docker starts docker-compose.yml of this checkout, on an image that stands in for orthancteam's."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_docker.plugin import Services

from dev.console import CHECKOUT, SetupError
from dev.orthanc_server import free_port
from tests.docker.base_image import stand_in
from tests.docker.deployment import Deployment
from tests.docker.engine import compose_command, docker_engine, in_ci


@pytest.fixture(scope="session", autouse=True)
def settings() -> Iterator[dict[str, str]]:
    """What the person who deploys sets; without a Docker engine the tests are skipped, but not in CI."""
    try:
        with docker_engine(), pytest.MonkeyPatch.context() as patch:
            chosen = choose_settings()
            for name, value in chosen.items():
                patch.setenv(name, value)
            yield chosen
    except SetupError as error:
        if in_ci():
            raise
        pytest.skip(str(error))


def choose_settings() -> dict[str, str]:
    """ORTHANC_IMAGE may name an image that the engine can pull, to test that one."""
    with ThreadPoolExecutor(1) as meanwhile:  # each waits for the network, for up to a minute
        wheels = meanwhile.submit(subprocess.run, [sys.executable, str(CHECKOUT / "docker/wheels.py")], check=True)
        image = os.environ.get("ORTHANC_IMAGE") or stand_in("orthancteam")
        wheels.result()
    return {
        "ORTHANC_IMAGE": image,
        "ORTHANC_PASSWORD": secrets.token_urlsafe(),
        "HTTP_PORT": str(free_port()),
        # The same as the cluster's: Docker makes one layer for both.
        "FRAMECACHE_EXTRA": "archive cluster cli otel",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    }


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    return compose_command() or "docker-compose"


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    return str(CHECKOUT / "docker-compose.yml")


@pytest.fixture(scope="session")
def docker_compose_project_name() -> str:
    return f"framecache-test-{os.getpid()}"


@pytest.fixture(scope="session")
def docker_setup() -> str:
    return "up --build --detach"


@pytest.fixture(scope="session")
def docker_cleanup() -> str:
    return "down --volumes --rmi local"


@pytest.fixture(scope="session")
def orthanc(
    docker_services: Services,
    docker_compose_command: str,
    docker_compose_file: str,
    docker_compose_project_name: str,
    settings: dict[str, str],
) -> Deployment:
    """The deployment, once it is healthy."""
    command = f"{docker_compose_command} -f {docker_compose_file} -p {docker_compose_project_name}"
    url = f"http://127.0.0.1:{docker_services.port_for('orthanc', 8042)}"
    deployment = Deployment(command, url, settings["ORTHANC_PASSWORD"])
    deployment.wait_until_healthy()
    return deployment
