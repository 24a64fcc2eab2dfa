"""A Debian with Orthanc's packages in a container, and somebody who types what docs/install.md says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.console import CHECKOUT, run
from tests.docker.base_image import debian_image

PAGE = CHECKOUT / "docs/install.md"
# No user but root, no systemd, maybe no network: what stands in for these, and pip takes the wheels that lie beside.
STAND_INS = Path(__file__).parent / "debian"


def blocks() -> list[str]:
    """The commands of the page that are marked as tested, in their order."""
    return re.findall(r"<!-- tested: debian -->\n```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)


class Machine:
    """A container that runs commands in its copy of the checkout."""

    def __init__(self, container: str) -> None:
        self._container = container

    def type(self, commands: str) -> str:
        """What the commands print. Raises SetupError when one of them fails."""
        options = ["--workdir=/checkout", "--env=PIP_NO_INDEX=1", "--env=PIP_FIND_LINKS=/checkout/docker/wheels"]
        command = ["docker", "exec", *options, self._container, "bash", "-euc", commands]
        return run(command, failure="a command of docs/install.md fails")


@contextmanager
def debian() -> Iterator[Machine]:
    container = run(
        ["docker", "run", "--detach", "--init", debian_image(), "sleep", "infinity"], failure="no container"
    ).strip()
    try:
        run(["docker", "exec", container, "mkdir", "/checkout"], failure="cannot make a folder")
        for folder in ("plugin", "requirements", "docker"):
            run(["docker", "cp", str(CHECKOUT / folder), f"{container}:/checkout/"], failure="cannot copy")
        run(["docker", "cp", f"{STAND_INS}/.", f"{container}:/usr/local/bin"], failure="cannot copy")
        yield Machine(container)
    finally:
        run(["docker", "rm", "--force", container], failure="the container stays")
