"""What Linux tells about processes and files: pages, bytes read, memory."""

from __future__ import annotations

import mmap
import os
from pathlib import Path


def drop_pages(*folders: Path) -> None:
    """Write everything below `folders` to disk and take it out of the page cache: cold means cold."""
    os.sync()
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                _drop(path)


def _drop(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def write_back(folder: Path) -> None:
    """Return when all files below `folder` are on disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def touch_memory(size: int) -> None:
    """Use so many bytes and free them again.

    In a virtual machine the first use of a page costs more than filling it: whoever is measured first would pay.
    """
    with mmap.mmap(-1, size) as memory:
        for offset in range(0, size, mmap.PAGESIZE):
            memory[offset] = 1


def bytes_read(pid: int) -> int:
    """Bytes that the process has had fetched from disk so far (proc(5), /proc/pid/io, read_bytes)."""
    return _field(Path(f"/proc/{pid}/io"), "read_bytes:")


def resident_bytes(pid: int) -> int:
    """The process's memory now, pages of files included (proc(5), /proc/pid/status, VmRSS)."""
    return _field(Path(f"/proc/{pid}/status"), "VmRSS:") * 1024


def forget_peak(pid: int) -> None:
    """Begin anew to look for the most memory (proc(5), /proc/pid/clear_refs, 5)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_bytes(pid: int) -> int:
    """The most memory that the process has had since `forget_peak` (proc(5), /proc/pid/status, VmHWM)."""
    return _field(Path(f"/proc/{pid}/status"), "VmHWM:") * 1024


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise ValueError(f"{path} has no {name}")
