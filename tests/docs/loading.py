"""What a worker process of a data loader does; it imports this alone."""

from __future__ import annotations

from multiprocessing.queues import Queue
from typing import Any


def load(data_set: Any, asked: Queue[int | None], answers: Queue[tuple[int, Any]]) -> None:
    """Answer indices until None comes."""
    while (index := asked.get()) is not None:
        answers.put((index, data_set[index].tolist()))
