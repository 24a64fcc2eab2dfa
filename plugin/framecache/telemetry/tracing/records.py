"""What a trace is made of: one line of JSON each, on its way from Orthanc to the process that sends it.

Times are seconds of the machine's monotonic clock, which all its processes share.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple


class RequestRecord(NamedTuple):
    """A request on one of our routes; `groups` are what the pattern of the path matched, UIDs first.

    From `sending` on Orthanc writes to the client. `found` is the header X-Frame-Cache, `cause` why it was a miss.
    """

    method: str
    path: str
    groups: Sequence[str]
    traceparent: str
    tracestate: str
    began: float
    sending: float | None
    ended: float
    status: int | None
    length: int | None
    found: str | None
    cause: str | None


class StoredRecord(NamedTuple):
    """Orthanc told of a new instance."""

    orthanc_id: str
    at: float


class ExtractionRecord(NamedTuple):
    """One form of an instance waited since `queued`, and was worked at from `began` to `ended`.

    `uids` are those of study, series and instance, as far as it got to know them.
    """

    orthanc_id: str
    uids: Sequence[str]
    queued: float
    began: float
    ended: float
    priority: str
    form: str
    state: str
    error: str | None
    frames: int
    length: int


class FinishedRecord(NamedTuple):
    """Nothing is left to do for an instance."""

    orthanc_id: str


Record = RequestRecord | StoredRecord | ExtractionRecord | FinishedRecord

_KINDS: Mapping[str, type[Record]] = MappingProxyType(
    {kind.__name__: kind for kind in (RequestRecord, StoredRecord, ExtractionRecord, FinishedRecord)}
)


def pack(record: Record) -> bytes:
    """One line."""
    return json.dumps([type(record).__name__, *record]).encode() + b"\n"


def unpack(line: bytes) -> Record:
    """The record of a line. Raises ValueError, KeyError or TypeError for what `pack` has not written."""
    kind, *values = json.loads(line)
    return _KINDS[kind](*values)
