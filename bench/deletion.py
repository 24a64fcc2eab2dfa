"""`python -m bench.deletion`: how fast deleted instances leave the cache, beside unlinking the same files."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from framecache.dicom.identity import InstancePath
from framecache.orthanc.instance import Instance
from framecache.store.disk.disk_store import DiskStore

from dev.console import CACHE, exit_code, say

CASES = ((100, 100), (5000, 1))
FRAME = memoryview(bytes(64 << 10))
BATCH = 200  # as the janitor takes them
STUDY, SERIES, SYNTAX = "1.2.3", "1.2.3.4", "1.2.840.10008.1.2.1"


def instances(count: int) -> Iterator[Instance]:
    for number in range(count):
        name = f"{number:08x}"
        yield Instance(
            path=InstancePath(STUDY, SERIES, f"1.2.3.4.{number + 1}"),
            orthanc_id=f"{name}-00000000-00000000-00000000-00000000",
            attachment_uuid=f"{name[::-1]}-0000-4000-8000-000000000000",
            stored_size=1000,
            file_size=1000,
            transfer_syntax_uid=SYNTAX,
            number_of_frames=1,
            pixel_data_offset=None,
            sop_class_uid="1.2",
            modality="MG",
            station_name="",
            remote_aet="",
            study_date="",
        )


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - wall, time.process_time() - cpu


def measure(folder: Path, count: int, blocks: int) -> None:
    """Fill, copy the files, and delete both."""
    store, names = DiskStore(folder / "cache", 1 << 40), []
    for instance in instances(count):
        store.records.keep(instance.to_json())
        for number in range(1, blocks + 1):
            store.blocks.keep(instance, SYNTAX, {number: FRAME})
        names.append(instance.orthanc_id)
    shutil.copytree(folder / "cache", folder / "copy")
    os.sync()
    paths = [str(path) for path in (folder / "copy").rglob("*.block")]

    def unlink() -> None:
        for path in paths:
            os.unlink(path)

    def forget() -> None:
        for start in range(0, count, BATCH):
            store.versions.remove(store.versions.of(names[start : start + BATCH]))

    plain = timed(unlink)
    os.sync()
    ours = timed(forget)
    left = store.space.rows(), len(list((folder / "cache").rglob("*.block")))
    store.close()
    files = count * blocks
    say(f"{count} instances of {blocks} blocks of {len(FRAME) >> 10} kB; left: {left}")
    for name, (wall, cpu) in {"os.unlink": plain, "the cache": ours}.items():
        say(f"  {name}: {files / wall:,.0f} files/s, {wall:.3f} s wall, {cpu:.3f} s CPU")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.deletion", description=__doc__)
    parser.add_argument("--folder", type=Path, default=CACHE, help="on the disk that is measured")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for count, blocks in CASES * options.rounds:
        with tempfile.TemporaryDirectory(prefix="deletion-", dir=options.folder) as folder:
            measure(Path(folder), count, blocks)


if __name__ == "__main__":
    sys.exit(exit_code(main))
