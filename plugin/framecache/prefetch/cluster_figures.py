"""What several nodes share, as one of them sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

KINDS = ("backfill", "export", "export-all", "verify", "gc")


@dataclass(frozen=True, slots=True)
class PieceCounts:
    """The pieces of one kind of work: of its present run, on all machines."""

    kind: str
    waiting: int = 0
    at_work: int = 0
    done: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class ClusterFigures:
    """How far shared work is, and how many processes (nodes and workers) take part in it.

    `error` says since `since` (seconds since the epoch) why the shared database does not answer; else it is "". The
    other figures are then the last ones.
    """

    processes: int = 0
    pieces: Sequence[PieceCounts] = ()
    error: str = ""
    since: float = 0.0
