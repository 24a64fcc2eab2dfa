"""What extraction costs on this server, by form, and what it would cost for some instances."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from framecache.dicom.transfer_syntax import Encoding, is_sent_as_it_lies, lookup
from framecache.orthanc.instance import DescribedInstance
from framecache.policy.policy import Treatment
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


@dataclass(slots=True)
class Tally:
    """Counts of instances, frames and their stored bytes, and the bytes that would be cached, by form."""

    instances: int = 0
    frames: int = 0
    stored_bytes: int = 0
    by_form: Counter[KeptForm] = field(default_factory=Counter)

    def add(self, arrival: DescribedInstance, treatment: Treatment) -> None:
        """Count an instance, and what its treatment does with it as it arrives."""
        size = arrival.frame_size * arrival.number_of_frames
        self.instances += 1
        self.frames += arrival.number_of_frames
        self.stored_bytes += size
        for form in _forms(arrival.transfer_syntax_uid, treatment):
            self.by_form[form] += size

    def merge(self, other: Tally) -> None:
        """Add the counts of another tally."""
        self.instances += other.instances
        self.frames += other.frames
        self.stored_bytes += other.stored_bytes
        self.by_form.update(other.by_form)

    def cache_bytes(self, measured: Mapping[str, MeasuredCost]) -> int | None:
        """Bytes in the cache, estimated from this server's own; None where it has not made one of the forms yet."""
        if self.by_form.keys() - measured.keys() - {"stored"}:
            return None
        return round(sum(size * _share(form, measured) for form, size in self.by_form.items()))

    def seconds(self, measured: Mapping[str, MeasuredCost]) -> float | None:
        """Seconds of processor time, estimated the same way; None where there is no estimate."""
        if self.by_form.keys() - measured.keys():
            return None
        return sum(size * measured[form].seconds / measured[form].stored_bytes for form, size in self.by_form.items())


def _share(form: KeptForm, measured: Mapping[str, MeasuredCost]) -> float:
    """Cached bytes for each stored byte; frames as stored keep their length."""
    return 1.0 if form == "stored" else measured[form].kept_bytes / measured[form].stored_bytes


def _forms(transfer_syntax_uid: str, treatment: Treatment) -> Iterator[KeptForm]:
    """The forms cached of an instance as it arrives, if its file lies uncompressed in Orthanc's folder."""
    if not treatment.is_kept_at_arrival:
        return
    if lookup(transfer_syntax_uid).encoding not in (Encoding.NATIVE, Encoding.ENCAPSULATED):
        return  # a video, or an unknown transfer syntax
    if treatment.mode == "copy" or (treatment.mode == "auto" and not is_sent_as_it_lies(transfer_syntax_uid)):
        yield "stored"
    elif is_sent_as_it_lies(transfer_syntax_uid):
        yield "index"
    if treatment.has_small_form:
        yield "HTJ2K"
