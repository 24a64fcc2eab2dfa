"""The metadata of instances as DICOM JSON: what the store keeps of it, and the rest made of headers."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from framecache.batches import batches
from framecache.bounded_dict import BoundedDict
from framecache.dicom.data_set import start_of_data_set, walker_of
from framecache.dicom.identity import InstancePath
from framecache.dicom.model.bulk_data import BulkDataUris
from framecache.dicom.model.character_sets import DEFAULT_REPERTOIRE
from framecache.dicom.model.dicom_json import dicom_json
from framecache.dicom.model.dictionary import STANDARD, Dictionary
from framecache.errors import InstanceGone, NotFound, UnreadableHeader
from framecache.instances.headers import Headers, StoredHeader
from framecache.orthanc.instance import DescribedInstance
from framecache.orthanc.instance_index import InstanceIndex
from framecache.ports import Clock, OrthancApi
from framecache.single_flight import SingleFlight
from framecache.store.metadata import InstanceMetadata
from framecache.store.parts import Metadata
from framecache.threads import side_by_side

_UIDS = (0x0020000D, 0x0020000E, 0x00080018)  # of study, series and instance
_BATCH = 200  # instances in one question to Orthanc
_READERS = 4  # headers that are read at once: a disk or a bucket is waited for, the interpreter works on one at a time
_MOST_CONFIRMED = 50_000
_PATIENCE = 60.0  # seconds: the header of a file in a bucket, or of a very large one that is compressed
_TRIES = 3
_GONE = "the instance was deleted or replaced meanwhile"


class MetadataMaker:
    """Makes it of stored headers."""

    def __init__(
        self, headers: Headers, default_character_set: str = DEFAULT_REPERTOIRE, dictionary: Dictionary = STANDARD
    ) -> None:
        """`default_character_set` is the defined term for data sets that name none."""
        self._headers, self._default_character_set, self._dictionary = headers, default_character_set, dictionary
        # A viewer asks for what has just arrived, while it is made for the store.
        self._flights = SingleFlight[InstanceMetadata](_PATIENCE)

    def make(self, instance: DescribedInstance) -> InstanceMetadata:
        """Of this very version of the instance. Raises NotFound, InstanceGone, SourceError, Overloaded."""
        version = instance.orthanc_id, instance.attachment_uuid
        return self._flights.join(version, lambda: self._make(instance))

    def _make(self, instance: DescribedInstance) -> InstanceMetadata:
        header = self.header(instance)
        text = dicom_json(
            header.content,
            header.transfer_syntax_uid,
            BulkDataUris(path_of(header)),
            default_character_set=self._default_character_set,
            dictionary=self._dictionary,
        )
        return InstanceMetadata.pack(instance.orthanc_id, instance.attachment_uuid, text)

    def header(self, instance: DescribedInstance) -> StoredHeader:
        """Its header. Raises NotFound, InstanceGone, SourceError."""
        return self._headers.read(instance)


def path_of(header: StoredHeader) -> InstancePath:
    """The UIDs in a header. Raises UnreadableHeader where they are not there, NotFound where they identify nothing."""
    start = start_of_data_set(header.content)
    found = walker_of(header.content, start, header.transfer_syntax_uid).values(start, _UIDS)
    if len(found) < len(_UIDS):
        raise UnreadableHeader("the header lacks a UID")
    return InstancePath(*(found[tag].decode("iso8859-1").strip(" \0") for tag in _UIDS))


class StoredFiles(Protocol):
    """Orthanc's storage area, as far as it proves anything."""

    trusts_files: bool

    def has_file(self, attachment_uuid: str) -> bool:
        """Whether the stored file is there, where that proves that Orthanc has it."""


@dataclass(frozen=True, slots=True)
class Found:
    """The metadata of instances as Orthanc has them now, by Orthanc ID.

    `made` is what the store did not have; `failed` says why there is none of an instance.
    """

    metadata: dict[str, InstanceMetadata] = field(default_factory=dict)
    made: list[InstanceMetadata] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)


class MetadataCatalogue:
    """Finds it. What is kept is true while the stored file exists that it was made of.

    Where no file proves anything, Orthanc is asked, and then believed for `revalidate_seconds`.
    """

    def __init__(
        self,
        api: OrthancApi,
        kept: Metadata,
        maker: MetadataMaker,
        files: StoredFiles,
        clock: Clock,
        revalidate_seconds: float,
    ) -> None:
        self._index, self._kept, self._maker, self._files = InstanceIndex(api), kept, maker, files
        self._clock, self._revalidate_seconds = clock, revalidate_seconds
        self._confirmed = BoundedDict[str, tuple[str, float]](_MOST_CONFIRMED)
        self._lock = threading.Lock()

    def is_current(self, orthanc_id: str, attachment_uuid: str) -> bool:
        """Whether Orthanc still has this version of an instance, as far as that can be told without asking it."""
        if self._files.has_file(attachment_uuid):
            return True
        confirmed, at = self._confirmed.get(orthanc_id, ("", 0.0))
        return confirmed == attachment_uuid and self._clock.monotonic() - at < self._revalidate_seconds

    def current(self, orthanc_ids: Sequence[str]) -> Found:
        """The metadata of those of these instances that Orthanc has. On a thread of our own. Raises SourceError."""
        found, kept = Found(), self._kept.of(orthanc_ids)
        for orthanc_id, one in kept.items():
            if self.is_current(orthanc_id, one.attachment_uuid):
                found.metadata[orthanc_id] = one
        missing = [orthanc_id for orthanc_id in orthanc_ids if orthanc_id not in found.metadata]
        for batch in batches(missing, _BATCH):
            self._look_up(batch, kept, found)
        return found

    def _look_up(self, orthanc_ids: Sequence[str], kept: Mapping[str, InstanceMetadata], found: Found) -> None:
        """Another try for what is replaced between the question and the look at its file."""
        waiting = list(orthanc_ids)
        for _ in range(_TRIES):
            found.failed.update({name: InstanceGone(_GONE) for name in waiting})
            self._look_up_once(waiting, kept, found)
            waiting = [name for name in waiting if isinstance(found.failed.get(name), InstanceGone)]
            if not waiting:
                return

    def _look_up_once(self, orthanc_ids: Sequence[str], kept: Mapping[str, InstanceMetadata], found: Found) -> None:
        asked_at = self._clock.monotonic()
        described = self._index.describe(orthanc_ids)
        for name in set(orthanc_ids) - described.keys():
            found.failed[name] = NotFound("the instance was deleted")

        def find(instance: DescribedInstance) -> None:
            try:
                self._find(instance, kept.get(instance.orthanc_id), found, asked_at)
                found.failed.pop(instance.orthanc_id, None)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the others are answered
                found.failed[instance.orthanc_id] = error

        side_by_side(find, described.values(), _READERS)

    def _find(self, instance: DescribedInstance, kept: InstanceMetadata | None, found: Found, asked_at: float) -> None:
        if kept is None or kept.attachment_uuid != instance.attachment_uuid:
            kept = self._maker.make(instance)
            found.made.append(kept)
        if not self._files.has_file(instance.attachment_uuid):
            self._confirm(instance, asked_at)
        found.metadata[instance.orthanc_id] = kept

    def _confirm(self, instance: DescribedInstance, asked_at: float) -> None:
        """Its file is not where Orthanc itself would keep it: is it elsewhere, or was it deleted since?

        Raises NotFound, InstanceGone.
        """
        if self._files.trusts_files:
            asked_at = self._clock.monotonic()
            if self._index.attachment(instance.orthanc_id) != instance.attachment_uuid:
                raise InstanceGone(_GONE)
        with self._lock:
            self._confirmed.pop(instance.orthanc_id, None)
            self._confirmed[instance.orthanc_id] = (instance.attachment_uuid, asked_at)

    def header(self, instance: DescribedInstance) -> StoredHeader:
        """For metadata in another form. Raises NotFound, InstanceGone, SourceError."""
        return self._maker.header(instance)
