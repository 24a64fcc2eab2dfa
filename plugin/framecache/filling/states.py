"""What became of instances."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class FillState:
    """What became of an instance: "queued", "running", "cached", "skipped" or "failed", why, and when (monotonic).

    `failed_frames` are the numbers of those that could not be cut out, as far as it got.
    """

    state: str
    error: str | None = None
    at: float = 0.0
    failed_frames: Sequence[int] = ()


class States:
    """The last state of each instance, of as many as are remembered. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self._states: OrderedDict[str, FillState] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, orthanc_id: str, state: FillState) -> None:
        """What there is to say of an instance now."""
        with self._lock:
            self._states[orthanc_id] = state
            self._states.move_to_end(orthanc_id)
            while len(self._states) > _MOST:
                self._states.popitem(last=False)

    def get(self, orthanc_id: str) -> FillState | None:
        """What was noted last."""
        return self._states.get(orthanc_id)

    def forget(self, orthanc_id: str) -> None:
        """What was noted is not true any more."""
        with self._lock:
            self._states.pop(orthanc_id, None)

    def failures(self) -> Mapping[str, str]:
        """The instances that failed, with their errors."""
        with self._lock:
            return {key: state.error or "" for key, state in self._states.items() if state.state == "failed"}
