"""The servers of one suite: one Orthanc at a time on the archive, and an nginx beside it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType

from bench import client
from bench.archive import Archive, Stored
from bench.bucket import BucketLab
from bench.c_store import dicom_server
from bench.client import NotAvailable
from bench.cluster import ClusterLab
from bench.load import Load, load
from bench.nginx import NginxServer
from bench.objects import ObjectsLab
from bench.process import drop_pages
from bench.samples import DataSet, Size
from bench.subject import NGINX, TRIVIAL, Subject
from bench.tools import Tools
from dev.orthanc_server import OrthancFailed, OrthancServer
from dev.upload import progress

MOST_BODIES = 2000
SLOW_SECONDS = 0.5  # of one answer; what takes longer is measured for longer
IDLE_SECONDS = 300.0
IN_BUCKET = "native"
IN_OBJECTS = ("native", "jpeg-2000")
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Places:
    """Where a laboratory keeps its files, and the first of the four ports that it uses."""

    samples: Path
    temporary: Path
    port: int


class Lab:
    """Starts what a measurement needs; use as a context manager."""

    def __init__(
        self,
        suite: str,
        make_archive: Callable[[], Archive],
        data: dict[str, DataSet],
        size: Size,
        tools: Tools,
        places: Places,
    ) -> None:
        """The archive is made when a measurement needs it: that takes long."""
        self.suite, self._make_archive = suite, make_archive
        self.data, self.size, self.tools, self.places = data, size, tools, places
        self._running: tuple[Subject, OrthancServer] | None = None
        self._nginx: NginxServer | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self._stack.close()
            caches = self.archive.folder.glob("FrameCache*") if "archive" in vars(self) else ()
            for folder in (self.places.temporary, *caches):
                shutil.rmtree(folder, ignore_errors=True)

    @cached_property
    def archive(self) -> Archive:
        return self._make_archive()

    @cached_property
    def bucket(self) -> BucketLab:
        """Orthancs with their files in a bucket, which has the native tomosynthesis; none of the others runs beside."""
        self.stop()
        files = self.data[IN_BUCKET].files(self.places.samples)[:1]
        lab = BucketLab(self.suite, self.places.temporary / "bucket", files, self.places.port + 2)
        return self._stack.enter_context(lab)

    @cached_property
    def objects(self) -> ObjectsLab:
        """Files in a bucket, beside which no Orthanc runs."""
        self.stop()
        files = {name: self.data[name].files(self.places.samples)[0] for name in IN_OBJECTS}
        return self._stack.enter_context(ObjectsLab(self.places.temporary / "objects", files))

    @cached_property
    def cluster(self) -> ClusterLab:
        """An Orthanc on PostgreSQL beside workers; none of the others runs beside."""
        self.stop()
        folder = self.places.temporary / "cluster"
        return self._stack.enter_context(ClusterLab(self.suite, folder, self.size.shared_pieces))

    def server(self, subject: Subject) -> OrthancServer:
        """The subject's Orthanc on the archive; started when another one is running, or none."""
        if self._running is None or self._running[0] is not subject:
            self.stop()
            server = OrthancServer(
                self.suite,
                self.archive.folder,
                self._configuration(subject),
                self.places.port,
                plugins=subject.plugins,
            )
            server.start()
            self._running = subject, server
        return self._running[1]

    def _configuration(self, subject: Subject) -> Mapping[str, object]:
        settings = subject.configuration.get("FrameCache")
        if not isinstance(settings, Mapping):
            return subject.configuration
        return {**subject.configuration, "FrameCache": {**settings, "Directory": str(self._cache(subject))}}

    def _cache(self, subject: Subject) -> Path:
        return self.archive.folder / subject.cache_folder

    def stop(self) -> None:
        """End the Orthanc that is running, at once: it takes its time when asked, and nobody writes to the archive."""
        if self._running is not None:
            _, server = self._running
            self._running = None
            server.kill()

    def restarted(self, subject: Subject) -> OrthancServer:
        """The subject's Orthanc with empty memory, no file in the page cache."""
        self.stop()
        drop_pages(self.archive.storage, self._cache(subject))
        return self.server(subject)

    def emptied(self, subject: Subject) -> OrthancServer:
        """The same, with nothing in the frame cache."""
        self.stop()
        shutil.rmtree(self._cache(subject), ignore_errors=True)
        return self.restarted(subject)

    @contextmanager
    def new_server(self, subject: Subject) -> Iterator[OrthancServer]:
        """The subject's Orthanc with an empty storage of its own; its DICOM server takes what is sent.

        It is killed in the end: nobody waits for what the stock plugin does in the background.
        """
        self.stop()
        folder = self.places.temporary / "new"
        shutil.rmtree(folder, ignore_errors=True)
        server = self.server_on(folder, subject)
        server.start()
        try:
            yield server
        finally:
            with suppress(OrthancFailed):  # the measurement has stopped it itself
                server.kill()
            shutil.rmtree(folder, ignore_errors=True)

    def server_on(self, folder: Path, subject: Subject) -> OrthancServer:
        """The subject's Orthanc on the storage in `folder`, not started yet."""
        settings = {**subject.configuration, **dicom_server(self.dicom_port)}
        return OrthancServer(self.suite, folder, settings, self.places.port + 2, plugins=subject.plugins)

    @property
    def dicom_port(self) -> int:
        """Where the new servers take instances."""
        return self.places.port + 3

    def stored(self, data_set: str) -> list[Stored]:
        return self.archive.stored(data_set)

    def filled(self, subject: Subject, data_set: str) -> OrthancServer:
        """The subject's Orthanc; where it has a frame cache, all frames of the data set are in it."""
        server = self.server(subject)
        if subject.has_cache:
            for stored in self.stored(data_set):
                fill(server.url, stored)
        return server

    def nginx(self) -> NginxServer:
        """The one that sends bodies of frames."""
        if self._nginx is None:
            nginx = self.new_nginx(self.places.temporary / "nginx", self.places.port + 1)
            self._nginx = self._stack.enter_context(nginx)
        return self._nginx

    def new_nginx(self, folder: Path, port: int, servers: str = "") -> NginxServer:
        """Not started yet; of `servers`, as nginx's configuration has it."""
        return NginxServer(
            self.tools.nginx,
            folder,
            self.places.temporary / "bodies",
            port,
            workers=os.cpu_count() or 1,
            user="root" if os.geteuid() == 0 else "",
            servers=servers,
        )

    def target(self, subject: Subject, framecache: Subject, data_set: str) -> tuple[str, list[str]]:
        """Where the subject answers, and the paths of the frames of the data set's first instance."""
        frames = self.stored(data_set)[0].frames
        if subject is TRIVIAL:
            return self.server(framecache).url, ["/trivial"]
        if subject is NGINX:
            return self.nginx().url, self._bodies(framecache, data_set, frames[:MOST_BODIES])
        return self.filled(subject, data_set).url, frames

    def _bodies(self, framecache: Subject, data_set: str, frames: Sequence[str]) -> list[str]:
        """The answers of framecache as files for nginx."""
        folder = self.places.temporary / "bodies" / data_set
        if not folder.exists():
            folder.mkdir(parents=True)
            url = self.filled(framecache, data_set).url
            for number, frame in enumerate(frames, 1):
                folder.joinpath(str(number)).write_bytes(client.get(url, frame).body)
        return [f"/{data_set}/{number}" for number in range(1, len(frames) + 1)]

    def load(self, subject: Subject, url: str, paths: Sequence[str], connections: int) -> Load:
        """Load on `url`, longer where one answer takes long; `subject` must really be what answers."""
        for path in paths[:2]:  # the first may be slow once
            answer = client.get(url, path)
        if subject.has_cache and answer.frame_cache != "hit":
            raise NotAvailable(f"not answered from the cache ({answer.frame_cache or 'by the stock plugin'})")
        slow = answer.seconds > SLOW_SECONDS
        seconds = self.size.slow_load_seconds if slow else self.size.load_seconds
        measured = load(self.tools, url, paths, connections=connections, seconds=seconds)
        if slow:
            self.stop()  # it is still busy with requests that nobody waits for
        if measured.bytes_per_request < answer.length * 0.5:
            raise NotAvailable(f"answers of {measured.bytes_per_request:.0f} bytes instead of {answer.length}")
        return measured


def fill(url: str, stored: Stored) -> None:
    """Have all frames of an instance cached. Raises NotAvailable where the plugin does not."""
    if progress(url, stored.instance.orthanc_id).cached_frames < stored.number_of_frames:
        for number in {1, stored.number_of_frames}:
            client.get(url, stored.frame(number))
    wait_until_cached(url, stored.instance.orthanc_id)


def wait_until_cached(url: str, orthanc_id: str) -> None:
    """Return when all frames of the instance are cached. Raises NotAvailable when they are not in time."""
    deadline = time.monotonic() + IDLE_SECONDS
    while time.monotonic() < deadline:
        told = progress(url, orthanc_id)
        if told.cached_frames >= told.number_of_frames:
            return
        if told.state in ("failed", "skipped"):
            raise NotAvailable(f"the instance is {told.state}")
        time.sleep(POLL_SECONDS)
    raise NotAvailable("the instance was not cached in time")
