"""Whoever sent a series is asked how many instances it has: another real Orthanc, one that is away, and worse ones."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import UID

from dev.orthanc_server import free_port
from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import Archive, running, wait_until

pytestmark = [pytest.mark.orthanc, pytest.mark.slow]

SMALL = Sample(frames=2, rows=16, columns=16)
SETTINGS = {"AskSender": True, "IncompleteSeconds": 3}


@pytest.fixture(scope="module")
def suite() -> str:
    """One of both: how Orthanc asks is the same in them."""
    return "trixie"


class Room:
    """A modality: it sends to `archive` under its AE title, and answers a C-FIND, as long as it is there."""

    def __init__(self, server: Archive, archive: Archive) -> None:
        self.server, self.archive = server, archive

    def make(self, number: int, seed: int) -> list[str]:
        """So many instances of one series that only the modality has."""
        data_set = pydicom.dcmread(replace(SMALL, seed=seed).write(self.server.server.folder / "sample.dcm"))
        return [self._store(data_set, f"2.25.{seed}{place}") for place in range(number)]

    def _store(self, data_set: pydicom.Dataset, uid: str) -> str:
        data_set.SOPInstanceUID = data_set.file_meta.MediaStorageSOPInstanceUID = UID(uid)
        content = BytesIO()
        data_set.save_as(content)
        return self.server.upload(content.getvalue())

    def send(self, *orthanc_ids: str) -> str:
        """The ID of the series where it arrives."""
        self.server.post("/modalities/archive/store", list(orthanc_ids))
        series: str = self.archive.get_json(f"/instances/{orthanc_ids[0]}/series")["ID"]
        return series

    def told(self, series: str) -> dict[str, Any]:
        told: dict[str, Any] = self.archive.get_json(f"/frame-cache/series/{series}")
        return told

    def events(self, series: str) -> list[tuple[str, str]]:
        events = self.archive.get_json("/frame-cache/events?limit=1000")["Events"]
        return [
            (event["Kind"], event["Text"]) for event in events if (event["ID"], event["Level"]) == (series, "series")
        ]

    def is_at(self, name: str, port: int) -> None:
        """The archive knows the modality by this name alone, at this port; nobody has failed by a new name."""
        for known in self.archive.get_json("/modalities"):
            self.archive.delete(f"/modalities/{known}")
        modality = {"AET": "ROOM", "Host": "127.0.0.1", "Port": port}
        self.archive.ask("PUT", f"/modalities/{name}", json=modality).raise_for_status()


@pytest.fixture(scope="module")
def room(suite: str, folder: Path) -> Iterator[Room]:
    ports = {"ARCHIVE": free_port(), "ROOM": free_port()}

    def configuration(name: str, other: str, section: Mapping[str, object]) -> dict[str, object]:
        return {
            "DicomServerEnabled": True,
            "DicomAet": name,
            "DicomPort": ports[name],
            "DicomModalities": {other.lower(): [other, "127.0.0.1", ports[other]]},
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowStore": True,
            "FrameCache": section,
        }

    archive = running(suite, folder / "archive", configuration("ARCHIVE", "ROOM", SETTINGS), in_order=False)
    sender = running(suite, folder / "room", configuration("ROOM", "ARCHIVE", {"Rules": []}), in_order=False)
    with archive as at_archive, sender as at_room:
        room = Room(at_room, at_archive)
        room.is_at("room", ports["ROOM"])
        yield room


def test_what_the_sender_has_is_expected_until_it_has_come(room: Room) -> None:
    first, second, third = room.make(3, seed=1)
    series = room.send(first, second)
    wait_until(lambda: room.told(series)["ExpectedInstances"] == 3, lambda: str(room.told(series)))
    wait_until(lambda: [kind for kind, _ in room.events(series)] == ["incomplete"])
    assert (room.told(series)["StoredInstances"], room.told(series)["ArchivedInstances"]) == (2, None)
    room.send(third)
    wait_until(lambda: [kind for kind, _ in room.events(series)] == ["incomplete", "completed"])
    assert room.events(series)[-1] == ("completed", "3 of 3 instances")


def silent(connection: socket.socket, ended: threading.Event) -> None:
    """It takes the association request, and answers nothing."""
    del connection
    ended.wait()


def garbled(connection: socket.socket, ended: threading.Event) -> None:
    """It answers what is no DICOM."""
    del ended
    connection.recv(1 << 16)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes" * 100)


@contextmanager
def impostor(answer: Callable[[socket.socket, threading.Event], None]) -> Iterator[tuple[int, list[float]]]:
    """A modality that is none: its port, and when somebody called."""
    ended, calls = threading.Event(), list[float]()

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                calls.append(time.monotonic())
                with connection, suppress(OSError):
                    answer(connection, ended)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        try:
            yield listener.getsockname()[1], calls
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


@pytest.mark.parametrize("answer", [silent, garbled])
def test_a_sender_that_is_no_good_holds_up_nothing_and_is_left_alone(
    room: Room, answer: Callable[[socket.socket, threading.Event], None]
) -> None:
    with impostor(answer) as (port, calls):
        room.is_at(answer.__name__, port)
        series = [room.send(*room.make(1, seed=seed)) for seed in (10 + port, 20_000 + port)]
        wait_until(lambda: bool(calls))
        instance = room.archive.store(replace(SMALL, frames=40, rows=64, columns=64, seed=port))
        assert room.archive.frames(instance, "1").headers["X-Frame-Cache"] == "hit"
        assert [room.told(one)["ExpectedInstances"] for one in series] == [None, None]
        wait_until(lambda: f"sender {answer.__name__} does not say" in room.archive.log)
        assert len(calls) == 1
    assert not any(room.events(one) for one in series)


def test_a_sender_that_is_away_costs_its_series_only_the_number(room: Room) -> None:
    room.is_at("away", free_port())
    series = room.send(*room.make(1, seed=5))
    wait_until(lambda: "sender away does not say" in room.archive.log)
    assert room.told(series)["ExpectedInstances"] is None
    assert instance_is_served(room, replace(SMALL, frames=40, rows=64, columns=64, seed=6))


def instance_is_served(room: Room, sample: Sample) -> bool:
    instance: Instance = room.archive.store(sample)
    return room.archive.frames(instance, "1").headers["X-Frame-Cache"] == "hit"
