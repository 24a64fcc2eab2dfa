"""The Compose files give passwords to Orthanc as the text that they are, whatever that looks like."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from dev.console import CHECKOUT
from tests.docker.orthancteam.configuration import parsed

FILES = ("docker-compose.yml", "docker-compose.cluster.yml")
VARIABLE = re.compile(r"(?m)^ *ORTHANC__\w+: (.*\$\{\w+_PASSWORD\b.*)$")
SUBSTITUTION = re.compile(r"\$\{(\w+):[^}]*\}")


def passwords(file: str, password: str) -> Iterator[object]:
    """What the image's Orthanc is configured with, in a deployment where all passwords and users are `password`."""
    for text in VARIABLE.findall((CHECKOUT / file).read_text()):
        given = parsed(SUBSTITUTION.sub(password, text.strip("'")))
        yield given.get(password) if isinstance(given, dict) else given


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("password", ["Tr4x/+9=", "20260101", "1e5", "true", "null"])
def test_a_password_is_text(file: str, password: str) -> None:
    found = list(passwords(file, password))
    assert found
    assert found == [password] * len(found)
