"""What `framecache worker` refuses before it begins; its work is in tests/integration/test_nodes.py."""

from __future__ import annotations

import pytest

from tests.unit.cli.conftest import Command

ARCHIVE = ("--archive", "memory://")


@pytest.mark.parametrize(
    ("options", "says", "code"),
    [
        ((), "name the shared database with --cluster or FRAMECACHE_CLUSTER", 2),
        (("--cluster", "host=db password=secret"), "a password in --cluster is refused", 2),
        (("--cluster", "postgresql://user:secret@db/orthanc"), "a password in --cluster is refused", 2),
        (("--cluster", "nonsense"), "the connection string is invalid", 1),
    ],
)
def test_what_it_refuses(command: Command, options: tuple[str, ...], says: str, code: int) -> None:
    done = command("worker", *ARCHIVE, *options)
    assert (done.code, says in done.notices, "secret" in done.notices) == (code, True, False)
