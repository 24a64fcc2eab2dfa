"""A kind of work for tests: a file in a folder for each piece. As a program, a node: `… DSN FOLDER NAME SECONDS`."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from framecache.cluster.database import Database
from framecache.cluster.piece import Piece, Plan, Unfit
from framecache.cluster.piece_queue import PieceQueue
from framecache.cluster.reach import Reach
from framecache.cluster.shared_work import SharedWork
from framecache.errors import SourceError, Stopping

LETTERS = "letters"
PAGE = 10


class Letters:
    """So many pieces, `PAGE` to a plan; each takes `seconds`, after `before` has returned, and notes who did it.

    `broken` ones fail so often, with a number below 0 for good. Those `elsewhere` have to go to
    another node so often. While it `is_out`, nothing can be done.
    """

    def __init__(self, folder: Path, node: str, number: int, seconds: float = 0.0) -> None:
        self._folder, self._node, self._number, self._seconds = folder, node, number, seconds
        self.broken: dict[str, int] = {}
        self.elsewhere: dict[str, int] = {}
        self.attempts: list[str] = []
        self.settled: list[str] = []
        self.plans_to_fail = 0
        self.before: Callable[[], object] = lambda: None
        self.is_out = False

    def total(self) -> int | None:
        return self._number

    def plan(self, bookmark: str) -> Plan | None:
        if self.plans_to_fail > 0:
            self.plans_to_fail -= 1
            time.sleep(1)  # longer than nodes look for plans that were lost
            raise SourceError("nobody answers")
        first = int(bookmark or 0)
        if first >= self._number:
            return None
        last = min(self._number, first + PAGE)
        return Plan(
            [Piece(f"id{n}", f"uuid{n}", 5, subject=f"page{first}") for n in range(first, last)],
            str(last),
            last - first,
            "20260101",
        )

    def do(self, piece: Piece) -> int:
        self.attempts.append(piece.orthanc_id)
        self.before()
        time.sleep(self._seconds)
        if self.elsewhere.get(piece.orthanc_id, 0) > 0:
            self.elsewhere[piece.orthanc_id] -= 1
            raise Stopping
        self.ask()
        if self.broken.get(piece.orthanc_id, 0) > 0:
            self.broken[piece.orthanc_id] -= 1
            raise SourceError("broken")
        if self.broken.get(piece.orthanc_id, 0) < 0:
            raise Unfit("never")
        with (self._folder / piece.orthanc_id).open("a") as file:
            file.write(f"{self._node}\n")
        return piece.size

    def ask(self) -> None:
        if self.is_out:
            raise SourceError("nobody answers")

    def settle(self, subject: str) -> None:
        self.settled.append(subject)


class Node:
    """One that works on letters from `start` to `stop`, and takes others for dead after `silence_seconds`."""

    def __init__(
        self,
        dsn: str,
        letters: Letters,
        name: str,
        *,
        most_waiting: int = 2000,
        retry_seconds: int = 1,
        silence_seconds: float = 60.0,
    ) -> None:
        self.letters, self.database = letters, Database(dsn)
        self.queue = PieceQueue(
            self.database,
            {LETTERS: letters},
            name,
            reach=Reach({"the post": letters.ask}, time),
            most_waiting=most_waiting,
            wait_seconds=1,
            settle_seconds=1,
            retry_seconds=retry_seconds,
        )
        self._may_take = True
        self.work = SharedWork(
            self.database,
            self.queue,
            begins=[LETTERS],
            may_take=lambda: self._may_take,
            concurrency=2,
            silence_seconds=silence_seconds,
            look_seconds=0.5,
        )

    def let(self, *, take: bool) -> None:
        self._may_take = take

    def stop(self) -> None:
        self.work.stop()
        self.work.join(60)
        self.database.close()


if __name__ == "__main__":
    Node(sys.argv[1], Letters(Path(sys.argv[2]), sys.argv[3], 60, float(sys.argv[4])), sys.argv[3]).work.start()
    threading.Event().wait()
