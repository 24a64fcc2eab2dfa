"""Somebody who follows docs/cluster.md in a checkout, and what then runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import requests

from dev.console import CHECKOUT, run
from tests.docker.base_image import stand_in
from tests.docker.deployment import USER, wait
from tests.docker.engine import compose_command

PAGE = CHECKOUT / "docs/cluster.md"
# What the deployment is made of.
PARTS = ("docker", "docker-compose.cluster.yml", ".dockerignore", "orthanc.json", "plugin", "requirements")
CONTAINERS = 6
IMAGES = {"POSTGRES_IMAGE": "postgres", "NGINX_IMAGE": "nginx"}
SECRETS = ("ORTHANC_PASSWORD", "POSTGRES_PASSWORD")


def blocks() -> dict[str, str]:
    """The commands of the page that are marked as tested, by the name in the mark."""
    found = re.findall(r"<!-- tested: cluster (\w+) -->\n *```sh\n(.*?)\n *```", PAGE.read_text(), re.DOTALL)
    return {name: dedent(commands) for name, commands in found}


@dataclass(frozen=True)
class Cluster:
    """A running deployment; `folder` is the checkout of whoever deploys."""

    folder: Path
    environment: Mapping[str, str]

    def type(self, commands: str) -> str:
        """What the commands print. Raises SetupError when one of them fails."""
        adapted = commands.replace("docker compose", compose_command() or "")
        command = ["env", f"--chdir={self.folder}", "bash", "-euo", "pipefail", "-c", adapted]
        return run(command, failure="a command of docs/cluster.md fails", environment=self.environment)

    def compose(self, arguments: str) -> str:
        return self.type(f"docker compose {arguments}")

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """Through nginx."""
        url = f"http://127.0.0.1:{self.environment['HTTP_PORT']}{path}"
        return requests.request(method, url, auth=(USER, self._password()), timeout=30, **options)

    def status(self, node: str) -> dict[str, Any]:
        answer = self.ask("GET", f"/nodes/{node}/frame-cache/status")
        answer.raise_for_status()
        return dict(answer.json())

    def health(self) -> list[str]:
        """Of each container, as Docker sees it."""
        containers = self.compose("ps --quiet").split()
        template = "{{.State.Health.Status}}"
        inspected = subprocess.run(
            ["docker", "inspect", "--format", template, *containers], check=True, capture_output=True, text=True
        )
        return inspected.stdout.split()

    def wait_until_healthy(self) -> None:
        wait(lambda: self.health() == ["healthy"] * CONTAINERS, lambda: self.compose("logs --tail=20"))

    def _password(self) -> str:
        settings = dict(line.split("=", 1) for line in (self.folder / ".env").read_text().splitlines())
        return settings["ORTHANC_PASSWORD"]


@contextmanager
def cluster(folder: Path, settings: Mapping[str, str]) -> Iterator[Cluster]:
    """It begins with nothing but a checkout, and ends with nothing."""
    for part in PARTS:
        source = CHECKOUT / part
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / part)
    images = {name: os.environ.get(name) or stand_in(ours) for name, ours in IMAGES.items()}
    theirs = {name: value for name, value in os.environ.items() if name not in SECRETS}
    project = f"framecache-cluster-{os.getpid()}"
    made = Cluster(folder, {**theirs, **images, **settings, "COMPOSE_PROJECT_NAME": project})
    try:
        made.type(blocks()["secrets"])
        made.type(blocks()["start"])
        made.wait_until_healthy()
        yield made
    finally:
        made.compose("down --volumes --rmi local --timeout 1")
