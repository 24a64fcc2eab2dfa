"""A ledger that was lost is made anew: what the archive has, and what Orthanc has, says all that it said."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from framecache.archiving.ledger import Comparison, Ledger
from framecache.archiving.reconstruction import Reconstruction
from framecache.errors import SourceError
from framecache.orthanc.instance_index import InstanceIndex
from framecache.tree.source import Source
from framecache.tree.tree import Tree

from tests.unit.archiving.site import PIXELS, Site, content, path
from tests.unit.fakes import FakeApi, eventually, orthanc_id, recorded_log, uuid


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """With three instances in the archive."""
    site = Site(tmp_path)
    site.start()
    for number in (1, 2, 3):
        site.store(number)
    assert eventually(lambda: all(map(site.has, (1, 2, 3))) and site.writer.behind == 0)
    yield site
    site.close()


def lose(ledger: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        Path(f"{ledger}{ending}").unlink(missing_ok=True)


def damage(ledger: Path) -> None:
    ledger.write_bytes(b"no database" * 100)


def exchange(ledger: Path) -> None:
    lose(ledger)
    another = Ledger(ledger)
    another.begin("of another Orthanc", 1_000_000, None)
    another.add([(orthanc_id(1), "delete")])
    another.close()


@pytest.mark.parametrize("happens", [lose, damage, exchange])
def test_what_happened_meanwhile_is_made_up_for(site: Site, happens: Callable[[Path], None]) -> None:
    site.stop()
    with recorded_log() as log:
        happens(site.ledger_path)
        api = site.harness.api
        api.delete(orthanc_id(1))
        api.store(content(2, PIXELS[::-1]), orthanc_id=orthanc_id(2), uuid=uuid(9), path=path(2))
        site.store(4)
        site.resume()

        assert eventually(lambda: not site.has(1) and site.has(2, PIXELS[::-1]) and site.has(4))
        assert eventually(lambda: site.writer.comparison is None and site.writer.behind == 0)
    assert any("comparing the archive with Orthanc" in line for _, line in log.lines)
    assert site.has(3)
    assert eventually(lambda: site.harness.metrics["archive_written"] == 5)

    site.delete(3)  # and from now on as ever
    assert eventually(lambda: not site.has(3))


def test_files_of_another_orthanc_stay_and_are_counted(site: Site) -> None:
    list(site.tree.add([Source("other", Source.content(content(5)).open, uuid(5), database="of another Orthanc")]))
    site.stop()
    lose(site.ledger_path)
    with recorded_log() as log:
        site.resume()
        assert eventually(lambda: site.writer.comparison is None and site.ledger.written(orthanc_id(3)) is not None)
        assert eventually(lambda: any("1 archived instance that may be of another" in line for _, line in log.lines))
    assert site.has(5)


def test_an_orthanc_that_has_lost_nearly_all_deletes_nothing(site: Site) -> None:
    more = range(10, 130)
    sources = [
        Source(str(one), Source.content(content(one)).open, uuid(one), database=site.ledger.database) for one in more
    ]
    list(site.tree.add(sources))
    site.stop()
    lose(site.ledger_path)
    with recorded_log() as log:
        site.resume()
        assert eventually(lambda: any("too many to delete" in line for _, line in log.lines))
    assert site.has(10)


def test_a_comparison_that_was_broken_off_resumes_behind_its_last_study(site: Site) -> None:
    site.stop()
    site.ledger = Ledger(site.ledger_path)
    site.ledger.forget([orthanc_id(3)])
    for after, is_noted in ((max(site.tree.objects.folders("log")), False), ("", True)):
        site.ledger.compare(Comparison("lost", 1.0, after))
        reconstruction = Reconstruction(InstanceIndex(site.harness.api), site.ledger)
        while reconstruction.step(site.tree):
            pass
        assert (site.ledger.written(orthanc_id(3)) is not None) == is_noted


def test_a_database_whose_mark_alone_is_missing_is_known_by_its_files(site: Site) -> None:
    site.stop()
    site.harness.api.properties.clear()  # as when the server's name changes
    before = site.ledger_path.stat().st_ino
    site.resume()
    assert eventually(lambda: bool(site.harness.api.properties))
    assert (site.writer.comparison, site.ledger_path.stat().st_ino) == (None, before)


def test_an_orthanc_that_cannot_say_whose_it_is_is_asked_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(api: FakeApi, number: int) -> str:
        raise SourceError(f"the database does not answer: {api.last_change} {number}")

    site.stop()
    lose(site.ledger_path)
    with monkeypatch.context() as patch:
        patch.setattr(FakeApi, "get_property", refuse)
        site.resume()
        assert eventually(lambda: site.archive.figures().error != "")
        assert site.ledger.position is None
    assert eventually(lambda: site.ledger.written(orthanc_id(3)) is not None)


@pytest.mark.parametrize("refused", [0, 2])
def test_a_ledger_that_is_damaged_in_operation_is_made_anew(
    site: Site, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    connect, tried = sqlite3.connect, list[Path]()

    def connect_at_last(path: Path, **arguments: Any) -> sqlite3.Connection:
        if path == site.ledger_path:
            tried.append(path)
            if len(tried) <= refused:
                raise sqlite3.OperationalError("database or disk is full")
        connection: sqlite3.Connection = connect(path, **arguments)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_at_last)
    with closing(connect(site.ledger_path)) as other:
        other.execute("INSERT INTO about VALUES ('what is in memory', 'is not true any more')")
        other.commit()
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with site.ledger_path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(site.ledger_path.stat().st_size - 100))
    with pytest.raises(sqlite3.DatabaseError):
        site.ledger.waiting(1)
    site.writer.wake()
    assert eventually(lambda: Path(f"{site.ledger_path}.aside").exists())
    assert eventually(lambda: len(tried) == refused + 1)
    assert eventually(lambda: site.ledger.written(orthanc_id(3)) is not None)
    site.delete(3)
    assert eventually(lambda: not site.has(3))


def test_another_archive_is_filled_from_the_start_and_the_first_is_caught_up_on_the_way_back(site: Site) -> None:
    first = site.tree
    with Tree.open("memory://") as other:
        site.move(other, "memory://other")
        assert eventually(lambda: all(map(site.has, (1, 2, 3))))
        site.delete(1)
        site.store(4)
        assert eventually(lambda: not site.has(1) and site.has(4))

        site.move(first, "memory://first/")
        assert eventually(lambda: not site.has(1) and site.has(4))
        assert eventually(lambda: site.writer.comparison is None and site.writer.behind == 0)
        assert site.has(2)


def test_the_same_archive_under_its_url_is_not_compared_again(site: Site) -> None:
    before = site.ledger_path.stat().st_ino
    site.move(site.tree, "memory://first/")
    site.store(4)
    assert eventually(lambda: site.has(4))
    assert (site.writer.comparison, site.ledger_path.stat().st_ino) == (None, before)
