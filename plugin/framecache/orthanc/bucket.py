"""Orthanc's stored files in a bucket, where a storage plugin keeps them: read by range instead of as a whole."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Protocol

from framecache.dicom.ranged_reader import AHEAD, OutOfReach, RangedReader
from framecache.errors import SettingsError, Stopping, reason, without_secrets
from framecache.orthanc.instance import DescribedInstance, Instance
from framecache.ports import Clock
from framecache.telemetry.metrics import Metrics
from framecache.threads import Desk

logger = logging.getLogger(__name__)

# How the attachment of a UUID is named by the object-storage plugin ("flat", then "legacy"), and by others.
_SHAPES: tuple[Callable[[str], str], ...] = (
    lambda uuid: f"{uuid}.dcm",
    lambda uuid: f"{uuid[0:2]}/{uuid[2:4]}/{uuid}",
    lambda uuid: uuid,
)
_AHEAD_OF_WHOLE = 4 << 20
# A viewer waits: after these seconds Orthanc is asked for the file, which may read it elsewhere.
_TIMEOUTS: Mapping[str, str] = MappingProxyType({"connect_timeout": "3s", "timeout": "30s"})
_RETRIES: Mapping[str, Any] = MappingProxyType({"max_retries": 2, "retry_timeout": timedelta(seconds=10)})
# Read by the library too, but not beside options.
_ALLOW_HTTP = ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP", "GOOGLE_ALLOW_HTTP")
_REST_SECONDS = 10.0
_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Range:
    """A part of an object, whose whole length is `size`."""

    content: memoryview
    size: int


class Objects(Protocol):
    """The objects of a bucket, or of a folder in it."""

    def get_range(self, name: str, start: int, end: int) -> Range:
        """The bytes from `start` to before `end`. Raises FileNotFoundError, or what the library raises."""


class ObjectStore:
    """The same by obstore. Credentials come from the environment, in the names that each provider's own tools use."""

    def __init__(self, url: str) -> None:
        """Raises SettingsError without obstore, and for an address that it does not take."""
        try:
            import obstore  # noqa: PLC0415 - an optional extra
            from obstore.store import from_url  # noqa: PLC0415
        except ImportError as error:
            raise SettingsError(
                f'the extra "archive" is not installed: pip install framecache[archive] ({error})'
            ) from None
        try:
            self._store = from_url(url, **store_options(url))
        except Exception as error:  # each provider has errors of its own
            raise SettingsError(f"the object store cannot be used: {first_line(error)}") from error
        self._get = obstore.get

    def get_range(self, name: str, start: int, end: int) -> Range:
        found = self._get(self._store, name, options={"range": (start, end)})
        return Range(memoryview(found.bytes()), int(found.meta["size"]))


def store_options(url: str) -> dict[str, Any]:
    """How long an answer is waited for, and how often a request is repeated, as obstore takes it."""
    if url.startswith("file:"):
        return {}
    allow_http = any(os.environ.get(name, "").lower() in ("1", "true") for name in _ALLOW_HTTP)
    return {"client_options": {**_TIMEOUTS, "allow_http": allow_http}, "retry_config": dict(_RETRIES)}


class StorageBucket:
    """Opens stored files there. An attachment's UUID is in its name, and Orthanc never writes one anew."""

    def __init__(self, objects: Objects, desk: Desk, clock: Clock, metrics: Metrics) -> None:
        """Requests are made at the `desk`: a client of HTTP needs more stack than Orthanc's threads have."""
        self._objects, self._desk, self._clock, self._metrics = objects, desk, clock, metrics
        self._shapes, self._rests_until = _SHAPES, 0.0

    def holds(self, instance: DescribedInstance) -> bool:
        """Whether its file may be there in plain: compressed by Orthanc, it has to be read as a whole."""
        if isinstance(instance, Instance) and instance.stored_size != instance.file_size:
            return False
        is_named = bool(instance.attachment_uuid) and instance.file_size > 0
        return is_named and self._clock.monotonic() >= self._rests_until

    def open(self, instance: DescribedInstance, *, whole: bool = False) -> RangedReader:
        """A reader of its file, which raises OutOfReach as soon as something is wrong with it.

        Nothing is read before it is asked for. `whole` says that most of the file will be read, in order.
        """

        def fetch(start: int, end: int) -> memoryview:
            return self._fetch(instance, start, end)

        return RangedReader(fetch, instance.file_size, ahead=_AHEAD_OF_WHOLE if whole else AHEAD)

    def _fetch(self, instance: DescribedInstance, start: int, end: int) -> memoryview:
        try:
            found = self._desk.call(lambda: self._find(instance.attachment_uuid, start, end))
            _check_length(found, instance)
        except Stopping:
            raise
        except Exception as error:
            self._metrics.count("bucket_faults")
            raise self._out_of_reach(error) from error
        self._metrics.count("bucket_reads")
        self._metrics.count("bucket_bytes", len(found.content))
        return found.content

    def _out_of_reach(self, error: Exception) -> OutOfReach:
        if isinstance(error, OutOfReach):
            return error
        if isinstance(error, FileNotFoundError):
            return OutOfReach("the stored file is not in the bucket")
        # Who asks next need not wait for what is not there.
        self._rests_until = self._clock.monotonic() + _REST_SECONDS
        why = first_line(error)
        logger.warning("the bucket of Orthanc's files cannot be read for now (%s): asking Orthanc instead", why)
        return OutOfReach("the bucket cannot be read")

    def _find(self, uuid: str, start: int, end: int) -> Range:
        """The name is found out: the shape that was right the last time is tried first. Raises FileNotFoundError."""
        for shape in self._shapes:
            try:
                found = self._objects.get_range(shape(uuid), start, end)
            except FileNotFoundError:
                continue
            self._shapes = (shape, *(other for other in _SHAPES if other is not shape))
            return found
        raise FileNotFoundError


def _check_length(found: Range, instance: DescribedInstance) -> None:
    if found.size != instance.file_size:
        raise OutOfReach("the stored file is of another length in the bucket, as encrypted ones are")


def first_line(error: Exception) -> str:
    """What it says, without the details that obstore adds below."""
    return without_secrets((reason(error).splitlines() or [""])[0])[:_LONGEST_REASON]
