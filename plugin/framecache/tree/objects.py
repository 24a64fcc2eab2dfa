"""Objects by key, in a folder, a bucket or memory: what the archive asks of obstore, and nothing else of it.

No other module imports obstore, which is an optional extra: `framecache.tree.opening` says what to install.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from framecache.errors import without_secrets
from framecache.tree.errors import ArchiveError, Damaged, Missing, Replaced, Unreachable
from framecache.tree.folder import Unfit, create_file
from framecache.tree.headers import Headers

CHUNK = 5 << 20  # bytes: the smallest part of a multipart upload to S3
_PARTS_AT_ONCE = 3


BINARY = Headers()


@dataclass(frozen=True, slots=True)
class Listed:
    """An object in a list."""

    key: str
    size: int
    modified: datetime
    e_tag: str = ""

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Objects:
    """All methods raise Unreachable if the store does not answer or refuses, and those that read raise Missing."""

    store: ObjectStore
    folder: Path | None = None

    @property
    def is_folder(self) -> bool:
        return self.folder is not None

    def create(self, key: str, content: bytes | bytearray | memoryview, headers: Headers = BINARY) -> bool:
        """Write an object unless there is one; whether it was written. It is there as a whole, or not at all."""
        with _errors(key):
            try:
                if self.folder is not None:
                    return create_file(f"{self.folder}/{key}", content)
            except Unfit:
                pass
            try:
                obstore.put(self.store, key, content, mode="create", attributes=self._attributes(headers))
            except AlreadyExistsError:
                return False
        return True

    def replace(self, key: str, content: bytes | bytearray | memoryview, headers: Headers = BINARY) -> None:
        """Write an object, whatever there is; readers see the old one or the new one as a whole."""
        with _errors(key):
            obstore.put(self.store, key, content, use_multipart=False, attributes=self._attributes(headers))

    def replace_with_stream(self, key: str, chunks: Iterator[bytes | memoryview], headers: Headers = BINARY) -> None:
        """The same for what is too large for memory: in parts, of which few are in memory at once."""
        with _errors(key):
            obstore.put(
                self.store,
                key,
                chunks,
                chunk_size=CHUNK,
                max_concurrency=_PARTS_AT_ONCE,
                attributes=self._attributes(headers),
            )

    def read(self, key: str) -> bytes:
        with _errors(key):
            return obstore.get(self.store, key).bytes().to_bytes()

    def view(self, key: str) -> memoryview:
        """The same without a copy."""
        with _errors(key):
            return memoryview(obstore.get(self.store, key).bytes())

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """Up to `length` bytes from `start`; fewer only at the end."""
        try:
            with _errors(key):
                return obstore.get_range(self.store, key, start=start, length=length).to_bytes()
        except Unreachable:  # so a store answers for a range behind the end (RFC 9110 section 15.5.17), too
            if self._has(key, start + 1):
                raise
            return b""

    def read_range_of(self, key: str, start: int, length: int, e_tag: str) -> bytes:
        """The same of the version with this ETag (RFC 9110 section 13.1.1). Raises Replaced."""
        with _errors(key):
            try:
                found = obstore.get(self.store, key, options={"range": (start, start + length), "if_match": e_tag})
                return found.bytes().to_bytes()
            except PreconditionError:
                raise Replaced(f"{key} was replaced") from None

    def read_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> list[memoryview]:
        """Several ranges at once; near ones in one request. Raises Damaged where the object cannot have them."""
        try:
            with _errors(key):
                return self._ranges(key, starts, lengths)
        except Unreachable:
            if self._has(key, max(start + length for start, length in zip(starts, lengths, strict=True))):
                raise
            raise Damaged(f"{key} is cut off") from None

    def _ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> list[memoryview]:
        try:
            found = obstore.get_ranges(self.store, key, starts=starts, lengths=lengths)
        except (ValueError, OverflowError) as error:
            raise Damaged(f"{key} is not what its table says: {_first_line(error)}") from error
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # no Exception, and in no module that can be imported
                raise
            raise Damaged(f"{key} is cut off") from None
        if [len(content) for content in found] != list(lengths):
            raise Damaged(f"{key} is cut off")
        return [memoryview(content) for content in found]

    def _has(self, key: str, size: int) -> bool:
        """Whether the object has so many bytes. Raises Missing, Unreachable."""
        found = self.head(key)
        if found is None:
            raise Missing(f"{key} is not there")
        return found.size >= size

    def chunks(self, key: str) -> Iterator[memoryview]:
        """An object of any size, chunk by chunk."""
        with _errors(key):
            for chunk in obstore.get(self.store, key).stream(min_chunk_size=CHUNK):
                yield memoryview(chunk)

    def head(self, key: str) -> Listed | None:
        """What a list would say of the object; None if there is none."""
        try:
            with _errors(key):
                found = obstore.head(self.store, key)
        except Missing:
            return None
        return Listed(found["path"], found["size"], found["last_modified"], found["e_tag"] or "")

    def listed(self, prefix: str) -> list[Listed]:
        """All objects below `prefix`, which is a folder's name, in the order of their keys."""
        with _errors(prefix):
            found = [
                Listed(meta["path"], meta["size"], meta["last_modified"], meta["e_tag"] or "")
                for page in obstore.list(self.store, prefix)
                for meta in page
            ]
        return sorted(found, key=lambda listed: listed.key)

    def folders(self, prefix: str) -> list[str]:
        """The names of what looks like folders directly below `prefix`."""
        with _errors(prefix):
            found = obstore.list_with_delimiter(self.store, prefix)
        return sorted(key.rstrip("/").rpartition("/")[2] for key in found["common_prefixes"])

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; missing ones are no error."""
        for key in keys:
            try:
                with _errors(key):
                    obstore.delete(self.store, key)
            except Missing:
                continue

    def copy(self, source: str, target: str) -> None:
        """Copy an object with its headers over whatever there is, without a way through this machine."""
        with _errors(source):
            obstore.copy(self.store, source, target)

    def settle(self) -> None:
        """Return when all that was written would survive a loss of power; buckets promise that with each answer."""
        if self.folder is not None:
            _sync(self.folder)

    def _attributes(self, headers: Headers) -> Any:
        return None if self.is_folder else headers.attributes


def open_objects(url: str, options: Mapping[str, Any] | None = None) -> Objects:
    """The folder `file:///…`, the bucket `s3://…`, `gs://…` or `az://…`, or a memory of its own at `memory://`.

    Credentials come from the environment, as obstore reads them, or from `options`. Raises ArchiveError.
    """
    scheme = urlsplit(url).scheme
    if scheme == "memory":
        return Objects(MemoryStore())
    if scheme == "file":
        if urlsplit(url).netloc not in ("", "localhost"):  # file://srv/archive would be the folder /archive
            raise ArchiveError("this is no URL of a folder: it has three slashes, as file:///srv/archive")
        folder = Path(unquote(urlsplit(url).path))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Objects(LocalStore(folder, automatic_cleanup=True), folder)
    try:
        return Objects(from_url(url, **(options or {})))
    except (BaseError, ValueError) as error:
        raise ArchiveError(f"this is no URL of an archive: {_first_line(error)}") from None


@contextmanager
def _errors(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise Missing(f"{key} is not there") from None
    except (BaseError, OSError) as error:
        raise Unreachable(f"{key}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    """obstore adds its own source to its messages, and the URL of the request, which may have an access token."""
    return without_secrets(str(error).partition("\n")[0])


def _sync(folder: Path) -> None:
    """syncfs(2), for which Python has no function: one call for thousands of new files and their folders."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            raise Unreachable(f"the folder cannot be synced: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(descriptor)
