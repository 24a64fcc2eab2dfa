"""What a person has who ran `docker-compose up`: an address, a password, and docker-compose."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

WAIT_SECONDS = 180.0
USER = "orthanc"


@dataclass(frozen=True)
class Deployment:
    compose_command: str
    """With the file and the project's name."""
    url: str
    password: str

    def compose(self, arguments: str) -> str:
        """Run docker-compose and return what it printed. Raises subprocess.CalledProcessError when it fails."""
        command = [*shlex.split(self.compose_command), *shlex.split(arguments)]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, auth=(USER, self.password), timeout=30)

    def upload(self, dicom: bytes) -> str:
        """Store an instance and return its Orthanc identifier."""
        answer = requests.post(f"{self.url}/instances", data=dicom, auth=(USER, self.password), timeout=30)
        answer.raise_for_status()
        return str(answer.json()["ID"])

    def health(self) -> str:
        """As Docker sees it: starting, healthy or unhealthy."""
        return str(self._state()["Health"]["Status"])

    def exit_code(self) -> int:
        """Of a container that has stopped; 137 is that of one that Docker had to kill."""
        return int(self._state()["ExitCode"])

    def answers(self) -> bool:
        try:
            return self.get("/frame-cache/status").ok
        except requests.ConnectionError:
            return False

    def wait_until_answering(self) -> None:
        wait(self.answers, lambda: f"{self.health()}:\n{self.compose('logs --tail=30')}")

    def wait_until_healthy(self) -> None:
        wait(lambda: self.health() == "healthy", lambda: f"{self.health()}:\n{self.compose('logs --tail=30')}")

    def wait_until_extracted(self, instance: str) -> None:
        def state() -> dict[str, Any]:
            return dict(self.get(f"/frame-cache/instances/{instance}").json())

        wait(lambda: state()["CachedFrames"] == state()["NumberOfFrames"], lambda: str(state()))

    def _state(self) -> dict[str, Any]:
        container = self.compose("ps --all --quiet orthanc").strip()
        inspected = subprocess.run(["docker", "inspect", container], check=True, capture_output=True, text=True).stdout
        return dict(json.loads(inspected)[0]["State"])


def wait(done: Callable[[], bool], found: Callable[[], str]) -> None:
    """Return when `done`. Raises TimeoutError with what was `found` instead."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {WAIT_SECONDS:g} s it is {found()}")
        time.sleep(0.5)
