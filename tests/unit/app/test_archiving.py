"""What the status says of the archive, whatever has become of its ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from framecache.app.archiving import archive_state
from framecache.archiving.archiving import Archiving
from framecache.archiving.ledger import Ledger

from tests.unit.archiving.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


def refuse(_: Ledger) -> int:
    raise sqlite3.OperationalError("disk I/O error")


def test_a_ledger_that_cannot_be_read_leaves_the_rest_of_the_status(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = site.harness
    archiving = Archiving(
        harness.api,
        site.archive,
        tmp_path / "another.sqlite",
        harness.catalogue,
        site.files,
        harness.scheduler,
        harness.metrics,
        harness.clock,
        usually="arrival",
        revives=False,
        form=None,
    )
    monkeypatch.setattr(Ledger, "number_waiting", property(refuse))
    site.archive.failed(sqlite3.OperationalError("disk I/O error"))

    figures = archive_state(site.archive, archiving)
    assert "disk I/O error" in figures.error
    assert figures.comparison == ""
