"""Orthancs whose files lie in a bucket of a real S3 server, one after the other on the same files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from bench.archive import Stored, store
from bench.subject import BUCKET_URL, STOCK_BUCKET, Subject
from dev.orthanc_server import OrthancServer
from dev.s3 import S3Server

NAME = urlsplit(BUCKET_URL).netloc


class BucketLab:
    """Use as a context manager; `files` are stored before the first measurement."""

    def __init__(self, suite: str, folder: Path, files: list[Path], port: int) -> None:
        self._suite, self._folder, self._files, self._port = suite, folder, files, port
        self._stack = ExitStack()
        self.stored: list[Stored] = []

    def __enter__(self) -> BucketLab:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        s3 = self._stack.enter_context(S3Server(self._folder / "s3"))
        s3.make_bucket(NAME)
        self._stack.enter_context(_environment(s3.environment))
        with self._server(STOCK_BUCKET) as server:
            self.stored = list(store(server.url, self._files))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @contextmanager
    def emptied(self, subject: Subject) -> Iterator[OrthancServer]:
        """The subject's Orthanc with empty memory, and nothing in the frame cache."""
        shutil.rmtree(self._folder / "orthanc/FrameCache", ignore_errors=True)
        with self._server(subject) as server:
            yield server

    def _server(self, subject: Subject) -> OrthancServer:
        folder = self._folder / "orthanc"
        return OrthancServer(self._suite, folder, subject.configuration, self._port, plugins=subject.plugins)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """What Orthanc finds the server and its key by."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
