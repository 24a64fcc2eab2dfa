"""Who asks and who changes: each answer is judged by the marks in its own frames."""

from __future__ import annotations

import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

import requests

from dev.orthanc_server import OrthancServer
from tests.integration.archive import AS_STORED
from tests.integration.parts import parts_of
from tests.soak.marked import FRAME_LENGTH, GONE, SAMPLE, Slot, version_of

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close by a reset
_TIMEOUT = 60.0


class Run:
    """What all clients of one run share."""

    def __init__(self, server: OrthancServer, slots: Sequence[Slot]) -> None:
        self.server, self.slots = server, slots
        self.ended = threading.Event()
        self.starts = 0  # odd: Orthanc is being ended or started
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self._lock = threading.Lock()

    def count(self, name: str, amount: int = 1) -> None:
        with self._lock:
            self.counts[name] += amount

    def fail(self, message: str) -> None:
        with self._lock:
            self.failures.append(message)

    def forever(self, act: Callable[[random.Random], None], seed: int) -> None:
        """Act until the end; a broken connection is a failure unless Orthanc was being restarted meanwhile."""
        dice = random.Random(seed)
        while not self.ended.is_set():
            starts = self.starts
            try:
                act(dice)
            except (requests.RequestException, OSError) as error:
                if starts == self.starts and starts % 2 == 0:
                    self.fail(f"{act.__name__}: {type(error).__name__}: {error}")
                else:
                    self.count("broken off by a restart")
                time.sleep(0.05)
            except Exception as error:  # noqa: BLE001 - a fault of any kind is what is looked for
                self.fail(f"{act.__name__}: {type(error).__name__}: {error}")

    def ask(self, path: str, accept: str) -> requests.Response:
        starts = self.starts
        answer = requests.get(
            self.server.url + path, headers={"Accept": accept}, timeout=_TIMEOUT, allow_redirects=False
        )
        is_ending = starts != self.starts or starts % 2 == 1
        if answer.status_code == requests.codes.server_error and is_ending:
            raise requests.ConnectionError("Orthanc is ending")
        self.count(f"answered {answer.status_code}")
        return answer

    # Readers

    def read(self, dice: random.Random) -> None:
        """One frame, some, or all."""
        numbers = sorted(dice.sample(range(1, SAMPLE.frames + 1), dice.choice((1, 1, 1, 3, SAMPLE.frames))))
        resource = "frames" if len(numbers) == SAMPLE.frames else f"frames/{','.join(map(str, numbers))}"
        slot = self._slot(dice)
        committed = slot.committed
        answer = self.ask(f"{slot.path}/{resource}", AS_STORED)
        if answer.status_code == requests.codes.ok:
            payloads = [part.payload for part in parts_of(answer)]
            self._judge(slot, committed, dict(zip(numbers, payloads, strict=True)))
            self.count(f"X-Frame-Cache: {answer.headers['X-Frame-Cache']}")
        else:
            self._judge_refusal(slot, committed, answer)

    def read_whole(self, dice: random.Random) -> None:
        """The instance as it is stored: the frames are its end."""
        slot = self._slot(dice)
        committed = slot.committed
        answer = self.ask(slot.path, 'multipart/related; type="application/dicom"; transfer-syntax=*')
        if answer.status_code != requests.codes.ok:
            self._judge_refusal(slot, committed, answer)
            return
        boundary = re.search(r"boundary=([^\s;]+)", answer.headers["Content-Type"])
        content = answer.content[: -len(f"\r\n--{boundary[1]}--\r\n")] if boundary else b""
        pixels = content[-SAMPLE.frames * FRAME_LENGTH :]
        frames = {i + 1: pixels[i * FRAME_LENGTH : (i + 1) * FRAME_LENGTH] for i in range(SAMPLE.frames)}
        self._judge(slot, committed, frames)

    def look(self, dice: random.Random) -> None:
        """A picture; what it shows has no checksum, only that it is one is looked at."""
        slot = self._slot(dice)
        committed = slot.committed
        answer = self.ask(f"{slot.path}/frames/{dice.randint(1, SAMPLE.frames)}/rendered", "image/jpeg")
        if answer.status_code != requests.codes.ok:
            self._judge_refusal(slot, committed, answer)
        elif not (answer.content.startswith(b"\xff\xd8") and answer.content.endswith(b"\xff\xd9")):
            self.fail("a picture is no JPEG")

    def read_slowly(self, dice: random.Random) -> None:
        """A list of frames at some 100 kB a second, given up after 5 s."""
        with self._asking(self._slot(dice)) as connection:
            give_up = time.monotonic() + 5
            while time.monotonic() < give_up and not self.ended.is_set() and connection.recv(8192):
                time.sleep(0.08)
        self.count("slow clients")

    def break_off(self, dice: random.Random) -> None:
        """The connection is reset in the middle of an answer."""
        with self._asking(self._slot(dice)) as connection:
            connection.recv(dice.choice((1, 10_000, 100_000)))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.count("clients that broke off")
        time.sleep(0.02)

    # Writers

    def change(self, dice: random.Random) -> None:
        """Store, overwrite or delete one instance; after a restart in between, again until it is done."""
        slot = self._slot(dice)
        with slot.changing:
            version = GONE if slot.states[-1] != GONE and dice.random() < 0.2 else max(slot.states) + 1
            slot.begin(GONE, version)
            content = slot.file(version) if version != GONE else b""
            while not self.ended.is_set():
                starts = self.starts
                try:
                    self._carry_out(slot, version, content)
                    slot.commit()
                except requests.RequestException:
                    if starts == self.starts and starts % 2 == 0:
                        raise
                    time.sleep(0.1)
                else:
                    break
        time.sleep(dice.random() / 4)

    def _carry_out(self, slot: Slot, version: int, content: bytes) -> None:
        if version == GONE:
            answer = requests.delete(f"{self.server.url}/instances/{slot.orthanc_id}", timeout=_TIMEOUT)
            if answer.status_code != requests.codes.not_found:
                answer.raise_for_status()
            self.count("deleted")
            return
        answer = requests.post(f"{self.server.url}/instances", data=content, timeout=_TIMEOUT)
        answer.raise_for_status()
        slot.orthanc_id = str(answer.json()["ID"])
        self.count("stored")

    # Judges

    def _slot(self, dice: random.Random) -> Slot:
        return dice.choice(self.slots)

    def _judge(self, slot: Slot, committed: int, frames: dict[int, bytes]) -> None:
        versions = {version_of(content, slot.number, number) for number, content in frames.items()}
        allowed = slot.since(committed)
        self.count("frames verified", len(frames))
        if len(versions) != 1 or not versions <= allowed:
            self.fail(f"versions {versions} of slot {slot.number} where {allowed} may be")

    def _judge_refusal(self, slot: Slot, committed: int, answer: requests.Response) -> None:
        """404 while it may be gone, 503 under load, 307 to the stock plugin: all else is a fault."""
        if answer.status_code == requests.codes.not_found and GONE in slot.since(committed):
            return
        if answer.status_code not in (requests.codes.temporary_redirect, requests.codes.service_unavailable):
            self.fail(f"{answer.status_code} for {answer.url}: {answer.text[:200]}")

    def _asking(self, slot: Slot) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.server.port), timeout=_TIMEOUT)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        request = f"GET {slot.path}/frames/1,2,3,4 HTTP/1.1\r\nHost: here\r\nAccept: {AS_STORED}\r\n\r\n"
        connection.sendall(request.encode())
        return connection
