"""An object store that takes requests and answers none, and 20,000 arrivals: all of them wait in Orthanc's database.

The whole plugin runs over a fake of Orthanc's module. Both its stored files and the archive are in the store.
"""

from __future__ import annotations

import json
import socket
import threading
import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from framecache import install
from framecache.dicom.identity import InstancePath

from tests.unit.dicom_files import INSTANCE, SERIES, STUDY
from tests.unit.fakes import FakeModule, FakeOutput, OrthancException, eventually, find_answer, orthanc_id, uuid

HALF, ALL = 10_000, 20_000
LONGEST = 5_000  # so many wait in the plugin
MEGABYTE = 1 << 20
SECTION = {
    "CodecProcesses": 0,
    "StorageURL": "s3://stalled/orthanc",
    "Archive": "s3://stalled/archive",
    "Rules": [{}],
}


@contextmanager
def stalled_server() -> Iterator[int]:
    """It takes connections and requests, and answers nothing; its port."""
    connections: list[socket.socket] = []

    def take(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connections.append(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=take, args=[listener], daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    for connection in connections:
        connection.close()


class Flood(FakeModule):
    """An Orthanc whose files are in the store. It describes instances when somebody asks, so they take no memory."""

    def __init__(self, folder: Path) -> None:
        configuration = {"Python": {"AllowThreads": True}, "StorageDirectory": "storage", "FrameCache": SECTION}
        super().__init__(configuration, folder)
        self.stored, self.read_up_to = 0, 0
        self._names = [orthanc_id(number) for number in range(ALL)]
        self.released = threading.Event()
        self._numbers = {name: number for number, name in enumerate(self._names)}

    def arrive(self, up_to: int) -> None:
        assert self.on_change is not None
        for number in range(self.stored, up_to):
            self.stored = number + 1
            self.on_change(self.ChangeType.NEW_INSTANCE, self.ResourceType.INSTANCE, self._names[number])

    def replace(self, numbers: Iterable[int]) -> None:
        """Only the event is sent."""
        assert self.on_change is not None
        for number in numbers:
            self.on_change(self.ChangeType.DELETED, self.ResourceType.INSTANCE, self._names[number])

    def is_left_alone(self) -> bool:
        """Whether so much was read of the log that nothing more is read for half a second."""
        read = self.read_up_to
        return read >= LONGEST and not eventually(lambda: self.read_up_to > read, seconds=0.5)

    def told(self, route: str) -> Any:
        output = FakeOutput()
        self.routes[f"/frame-cache/{route}"](output, route, method="GET", groups=[], get={}, headers={})
        assert output.status == 200
        return json.loads(output.body)

    def RestApiGet(self, uri: str, /) -> bytes:  # noqa: N802
        if uri.startswith("/changes"):
            return json.dumps(self._changes(dict(parse_qsl(urlsplit(uri).query, keep_blank_values=True)))).encode()
        if uri == "/system":
            return json.dumps({"Version": "1.12.7", "StorageAreaPlugin": "S3", "DatabaseBackendPlugin": None}).encode()
        if uri.endswith("/file"):
            self._wait_for_the_store()
        if uri.startswith("/instances/") and (name := uri.split("/")[2]) in self._numbers:
            return json.dumps(self._answer(self._numbers[name])).encode()
        raise OrthancException(17, "Unknown resource")

    def LoadDicomInstance(self, instance_id: str, mode: int, /) -> Any:  # noqa: N802
        del instance_id, mode
        self._wait_for_the_store()

    def _wait_for_the_store(self) -> None:
        """Orthanc reads the same store."""
        self.released.wait(60)
        raise OrthancException(2, "The storage area does not answer")

    def RestApiPost(self, uri: str, body: bytes, /) -> bytes:  # noqa: N802
        query = json.loads(body)
        if uri == "/tools/bulk-content" and query["Level"] == "Instance":
            return json.dumps([self._described(self._numbers[one]) for one in query["Resources"]]).encode()
        if uri == "/tools/find" and (uid := query["Query"].get("SOPInstanceUID")):
            return json.dumps([self._answer(int(uid.rpartition(".")[2]))]).encode()
        return b"[]"

    def _changes(self, query: dict[str, str]) -> dict[str, Any]:
        since = max(0, self.stored - 1) if "last" in query else int(query["since"])
        last = min(self.stored, since + int(query.get("limit", 1)))
        if "last" not in query:
            self.read_up_to = max(self.read_up_to, last)
        changes = [
            {"ChangeType": "NewInstance", "ID": self._names[place], "Seq": place + 1} for place in range(since, last)
        ]
        return {"Changes": changes, "Done": last == self.stored, "Last": last}

    def _answer(self, number: int) -> dict[str, Any]:
        path = InstancePath(STUDY, SERIES, f"{INSTANCE}.{number}")
        return find_answer(orthanc_id=self._names[number], uuid=uuid(number), path=path, file_size=2 * MEGABYTE)

    def _described(self, number: int) -> dict[str, Any]:
        told = self._answer(number)
        told["FileSize"], told["FileUuid"] = 2 * MEGABYTE, uuid(number)
        return told


@pytest.fixture
def flood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flood]:
    with stalled_server() as port:
        for name, value in {
            "ENDPOINT": f"http://127.0.0.1:{port}",
            "ACCESS_KEY_ID": "key",
            "SECRET_ACCESS_KEY": "secret",
            "REGION": "us-east-1",
            "ALLOW_HTTP": "true",
        }.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        module = Flood(tmp_path)
        install(module)
        assert module.on_change is not None
        module.on_change(module.ChangeType.ORTHANC_STARTED, 0, "")
        yield module
        module.released.set()
        module.on_change(module.ChangeType.ORTHANC_STOPPED, 0, "")


def test_memory_is_level_and_every_queue_bounded_while_the_object_store_stalls(flood: Flood) -> None:
    tracemalloc.start()
    flood.arrive(HALF)
    assert eventually(flood.is_left_alone, seconds=60)
    before, _ = tracemalloc.get_traced_memory()
    flood.arrive(ALL)
    flood.replace(range(HALF, ALL))
    assert eventually(lambda: flood.told("status")["Archive"]["Behind"] >= HALF, seconds=30)
    # What is being noted or looked up is in memory for a moment.
    assert eventually(lambda: tracemalloc.get_traced_memory()[0] - before < 2 * MEGABYTE, seconds=60)
    tracemalloc.stop()

    assert flood.read_up_to < HALF  # the log of changes is read no further
    status = flood.told("status")
    assert (status["Degraded"], status["Serving"]) == (None, True)
