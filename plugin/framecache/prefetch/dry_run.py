"""What rules would do with the instances of the archive, and what that would cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from framecache.dicom.transfer_syntax import Encoding, is_sent_as_it_lies, lookup
from framecache.orthanc.instance import DescribedInstance
from framecache.policy.policy import Treatment
from framecache.prefetch.extraction_cost import KeptForm, MeasuredCost


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
