"""What was made for a request is kept behind the answer, and takes nothing from a newer version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from framecache.instances.entry import Entry
from framecache.prefetch.write_behind import WriteBehind

from tests.unit.dicom_files import EXPLICIT, native
from tests.unit.fakes import PATH, eventually, uuid
from tests.unit.harness import CachingBench


class Bench(CachingBench):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.write_behind = WriteBehind(self.catalogue, self.store)

    def stored(self, number: int) -> Entry:
        self.api.store(native(bytes(72)), uuid=uuid(number))
        return self.catalogue.lookup(PATH)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.write_behind.stop()
    made.desk.close()


def test_a_form_is_kept_with_a_record_of_its_instance(bench: Bench) -> None:
    entry = bench.stored(1)
    bench.write_behind.start()
    bench.write_behind.keep(entry, EXPLICIT, 1, b"made")

    assert eventually(lambda: (EXPLICIT, 1) in entry.blocks)
    assert bench.store.known[PATH].attachment_uuid == uuid(1)


def test_a_form_of_what_was_replaced_meanwhile_goes_and_the_newer_version_stays(bench: Bench) -> None:
    old = bench.stored(1)
    bench.write_behind.keep(old, EXPLICIT, 1, b"made of the old")
    new = bench.stored(2)
    bench.store.records.keep(new.instance.to_json())
    bench.store.blocks.keep(new.instance, EXPLICIT, {1: memoryview(b"new")})
    bench.write_behind.start()

    assert eventually(lambda: bench.write_behind.pending_bytes == 0)
    assert {key.split("/")[0] for key in bench.store.rows} == {uuid(2)}
    assert bench.store.known[PATH].attachment_uuid == uuid(2)
