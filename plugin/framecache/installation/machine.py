"""The machine's disk and memory, and who may write the cache's folder."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from framecache.admin.checks import Check
from framecache.config.settings import MEGABYTE, Settings

_GIGABYTE = 1 << 30


@dataclass(frozen=True)
class Machine:
    """What the checks ask of it: free bytes on the disk of a path, and bytes of memory."""

    free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
    memory: Callable[[], int] = lambda: os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check_disk(machine: Machine, settings: Settings) -> Check:
    """Whether the disk has room for as much as the settings allow."""
    room = machine.free(_nearest(settings.directory)) + _size(settings.directory)
    wanted = (settings.maximum_size_mb + settings.minimum_free_disk_mb) * MEGABYTE
    most = max(0, room // MEGABYTE - settings.minimum_free_disk_mb)
    advice = (
        f"the disk of {settings.directory} has room for {room / _GIGABYTE:.1f} GiB, and the settings want "
        f'{wanted / _GIGABYTE:.1f} GiB: set "MaximumSizeMB" to {most} or less, or "Directory" to a larger disk'
    )
    return Check("Disk", room >= wanted, advice)


def check_memory(machine: Machine, settings: Settings) -> Check:
    """Whether the machine has the memory that the settings allow at worst."""
    in_processes = settings.codec_processes * settings.codec_memory_mb
    most = (settings.maximum_memory_mb + settings.maximum_inflated_mb + in_processes) * MEGABYTE
    memory = machine.memory()
    advice = (
        f"the settings allow {most / _GIGABYTE:.1f} GiB of memory, and the machine has {memory / _GIGABYTE:.1f} GiB: "
        'lower "MaximumMemoryMB", "MaximumInflatedMB", "CodecProcesses" or "CodecMemoryMB"'
    )
    return Check("Memory", most <= memory, advice)


def check_access(directory: Path, storage: Path) -> Check:
    """Whether the user whose files Orthanc's are may write the folder, and nobody else reads it."""
    nearest = _nearest(directory)
    found, owner = nearest.stat(), _nearest(storage).stat()
    if os.path.isdir(directory) and found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Check("Access", False, f"others may read {directory}, which holds patients' images: chmod 700 it")
    may = _may(found, owner)
    advice = f'Orthanc\'s user (number {owner.st_uid}) may not write {nearest}: chown it, or set another "Directory"'
    return Check("Access", may, advice)


def _may(folder: os.stat_result, user: os.stat_result) -> bool:
    """Whether the owner of one may write the other."""
    if user.st_uid in (0, folder.st_uid):
        return user.st_uid == 0 or bool(folder.st_mode & stat.S_IWUSR)
    return bool(folder.st_mode & (stat.S_IWGRP if user.st_gid == folder.st_gid else stat.S_IWOTH))


def _nearest(path: Path) -> Path:
    """The path, or the first folder above it that is there, as far as this user may look."""
    return next(one for one in (path.absolute(), *path.absolute().parents) if os.path.exists(one))


def _size(folder: Path) -> int:
    """Bytes of the files below a folder; they may vanish meanwhile."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(path, name)).st_size
            except OSError:
                continue
    return total
