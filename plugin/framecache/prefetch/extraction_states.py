"""What became of queued instances: the newest states, in memory."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from framecache.bounded_dict import BoundedDict
from framecache.plurals import counted
from framecache.ports import Clock
from framecache.telemetry.metrics import MissCause

_RETRY_SECONDS = 300.0
_MOST_FAILURES = 3


@dataclass(frozen=True, slots=True)
class ExtractionState:
    """What became of an instance: "queued", "running", "cached", "skipped" or "failed", and why.

    `at` is when (monotonic seconds) where another attempt should not follow at once.
    `failed_frames` are the numbers of those that could not be extracted, as far as it got, `failures` how often it
    failed since it was last cached.
    `frames` and `size` are how many were cached of one form, and their bytes.
    """

    state: str
    error: str | None = None
    at: float = 0.0
    failed_frames: Sequence[int] = ()
    failures: int = field(default=0, compare=False)
    frames: int = field(default=0, compare=False)
    size: int = field(default=0, compare=False)

    @classmethod
    def cached(cls, frames: int, size: int, missing: int, number_of_frames: int) -> Self:
        """So many frames were cached now; the stored file lacks the last `missing` of all."""
        if not missing:
            return cls("cached", frames=frames, size=size)
        lack = f"the stored file lacks the last {missing} of {counted(number_of_frames, 'frame')}"
        failed = range(number_of_frames - missing + 1, number_of_frames + 1)
        return cls("cached", lack, failed_frames=failed, frames=frames, size=size)


class ExtractionStates:
    """The last state of each instance, by Orthanc ID. Its methods may be called from any thread."""

    def __init__(self, clock: Clock, *, most: int = 10_000) -> None:
        """Beyond `most` instances the oldest states are forgotten."""
        self._clock, self._lock = clock, threading.Lock()
        self._states = BoundedDict[str, ExtractionState](most)

    def get(self, orthanc_id: str) -> ExtractionState | None:
        """What became of an instance."""
        return self._states.get(orthanc_id)

    def note(self, orthanc_id: str, state: ExtractionState) -> None:
        """Record a new state."""
        with self._lock:
            known = self._states.pop(orthanc_id, state)
            failures = known.failures + (state.state == "failed") if state.state != "cached" else 0
            self._states[orthanc_id] = replace(state, failures=failures)

    def forget(self, orthanc_id: str) -> None:
        """The state does not hold for the next version of the instance."""
        with self._lock:
            self._states.pop(orthanc_id, None)

    def resting(self, orthanc_id: str) -> MissCause | None:
        """Why its frames are missed, if it is too early for another attempt.

        A broken file is not tried with each request, nor for ever; and what does not fit pushes out all others.
        """
        state = self._states.get(orthanc_id)
        if state is None or not state.at:
            return None
        is_resting = state.failures >= _MOST_FAILURES or self._clock.monotonic() - state.at < _RETRY_SECONDS
        cause: MissCause = "failed" if state.state == "failed" else "not_cached"
        return cause if is_resting else None

    def failures(self) -> Mapping[str, str]:
        """The instances that failed, with their errors."""
        with self._lock:
            return {key: state.error or "" for key, state in self._states.items() if state.state == "failed"}
