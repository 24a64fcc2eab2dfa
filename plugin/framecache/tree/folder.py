"""Creates objects in a folder, past the page cache where they are large.

An archive is written in bulk, and read much later: in the page cache, its objects would cost two more copies each, and
the place of what is read now.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from contextlib import suppress

_BLOCK = 4096  # bytes: what is written past the page cache begins and ends with one (open(2), O_DIRECT)
_LARGE = 64 << 10
_MOST_ATTEMPTS = 10
_NO_UNNAMED_FILES = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL})


class Unfit(Exception):
    """The file system has no unnamed files, as a network's, mostly; or they cannot be named, as without /proc."""


def create_file(path: str, content: bytes | bytearray | memoryview) -> bool:
    """Write a file, with the folders that it needs, unless there is one; whether it was written.

    It has no name before it is whole: a process that is killed leaves nothing. Content that begins where memory of
    `mmap` does is written past the page cache. Raises Unfit, OSError.
    """
    if os.path.lexists(path):
        return False
    descriptor = _open_unnamed(os.path.dirname(path))
    try:
        with memoryview(content) as whole:
            _write(descriptor, whole)
        return _name(descriptor, path)
    finally:
        os.close(descriptor)


def _open_unnamed(folder: str) -> int:
    """open(2), O_TMPFILE."""
    for _ in range(_MOST_ATTEMPTS):
        try:
            return os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            if error.errno in _NO_UNNAMED_FILES:
                raise Unfit from error
            raise
    raise OSError(errno.EBUSY, "the folder is removed again and again", folder)


def _write(descriptor: int, content: memoryview) -> None:
    position = 0
    if len(content) >= _LARGE and isinstance(content.obj, mmap.mmap):
        with suppress(OSError):  # memory that is not where it has to be, or a file system that has only the page cache
            _set_direct(descriptor, is_direct=True)
            position = _write_all(descriptor, content[: len(content) // _BLOCK * _BLOCK])
        _set_direct(descriptor, is_direct=False)
    os.lseek(descriptor, position, os.SEEK_SET)
    _write_all(descriptor, content[position:])


def _write_all(descriptor: int, content: memoryview) -> int:
    position = 0
    while position < len(content):
        position += os.write(descriptor, content[position:])
    return position


def _set_direct(descriptor: int, *, is_direct: bool) -> None:
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_DIRECT if is_direct else 0)


def _name(descriptor: int, path: str) -> bool:
    """linkat(2), which Python calls, so that it follows the link in /proc, if it is given a folder, whichever.

    Raises Unfit, OSError.
    """
    for _ in range(_MOST_ATTEMPTS):
        try:
            os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor)
        except FileExistsError:
            return False
        except FileNotFoundError:  # whoever deleted the last file of a folder removed it
            os.makedirs(os.path.dirname(path), exist_ok=True)
        else:
            return True
    raise Unfit
