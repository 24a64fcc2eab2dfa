"""What extraction costs on this server: measured while it works, by form, and saved over restarts."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from framecache.ports import Clock
from framecache.store.parts import Notes

KeptForm = Literal["stored", "index", "HTJ2K"]
_NOTE = "pace"
_NOTE_SECONDS = 60.0
# Beyond so many bytes what was measured before counts half: the machine, or what is sent to it, may be another now.
_MEMORY = 100e9


@dataclass(slots=True)
class MeasuredCost:
    """Bytes of frames as stored, the bytes cached of them, and the seconds of processor time."""

    stored_bytes: float = 0.0
    kept_bytes: float = 0.0
    seconds: float = 0.0


class ExtractionCost:
    """The sums of each form. Only the plugin's own long-lived threads may call it."""

    def __init__(self, notes: Notes, clock: Clock, *, memory: float = _MEMORY) -> None:
        """What was measured before the last `memory` bytes of stored frames counts less and less."""
        self._notes, self._clock, self._memory = notes, clock, memory
        self._sums: dict[str, MeasuredCost] | None = None
        self._noted_at, self._lock = clock.monotonic(), threading.Lock()

    def note(self, form: KeptForm, stored_bytes: int, kept_bytes: int, seconds: float) -> None:
        """Report that frames of so many stored bytes were cached in this form."""
        with self._lock:
            known = self._known().setdefault(form, MeasuredCost())
            share = 0.5 if known.stored_bytes > self._memory else 1.0
            known.stored_bytes = share * known.stored_bytes + stored_bytes
            known.kept_bytes = share * known.kept_bytes + kept_bytes
            known.seconds = share * known.seconds + seconds
            is_due = self._clock.monotonic() - self._noted_at >= _NOTE_SECONDS
            text = json.dumps({name: asdict(sums) for name, sums in self._known().items()}) if is_due else ""
            self._noted_at = self._clock.monotonic() if is_due else self._noted_at
        if text:
            self._notes[_NOTE] = text

    def measured(self) -> Mapping[str, MeasuredCost]:
        """What was measured so far, by form."""
        with self._lock:
            return {name: MeasuredCost(**asdict(sums)) for name, sums in self._known().items() if sums.stored_bytes}

    def _known(self) -> dict[str, MeasuredCost]:
        if self._sums is None:
            self._sums = _read(self._notes.get(_NOTE))
        return self._sums


def _read(text: str | None) -> dict[str, MeasuredCost]:
    try:
        read = json.loads(text or "{}")
        return {name: MeasuredCost(**{key: float(x) for key, x in sums.items()}) for name, sums in read.items()}
    except (ValueError, TypeError, AttributeError):
        return {}
