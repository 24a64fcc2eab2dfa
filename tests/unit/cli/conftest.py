"""A fake Orthanc, and the command line run against it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from framecache.cli.main import main

from tests.unit.cli.server import FakeOrthanc, serving


@dataclass(frozen=True)
class Done:
    """What a command left."""

    code: int
    output: str
    notices: str

    @property
    def json(self) -> Any:
        return json.loads(self.output)


Command = Callable[..., Done]


@pytest.fixture
def orthanc(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOrthanc]:
    """A server that knows nothing until a test fills `answers`; no login and no proxy of this machine's user."""
    for name in ("FRAMECACHE_USER", "FRAMECACHE_PASSWORD", "NETRC", "HTTP_PROXY", "http_proxy", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", "/nonexistent")
    with serving({}) as fake:
        monkeypatch.setenv("FRAMECACHE_URL", fake.url)
        yield fake


@pytest.fixture
def command(orthanc: FakeOrthanc, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command line against the fake."""
    assert orthanc.url

    def run(*argv: str) -> Done:
        try:
            code = main(argv, poll_seconds=0.001)  # nobody waits half a second in a unit test
        except SystemExit as end:  # argparse's
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run
