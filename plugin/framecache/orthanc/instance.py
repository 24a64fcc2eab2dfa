"""An instance in Orthanc: its UIDs, its attachment, and its tags about frames."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from framecache.dicom.identity import InstancePath
from framecache.errors import NotFound, SourceError
from framecache.orthanc.identifiers import is_orthanc_id, is_uuid

# Options of POST /tools/find (core 1.12.5 and later); all of the answer is in Orthanc's database.
FIND_OPTIONS = {
    "Level": "Instance",
    "ResponseContent": ["Metadata", "Attachments", "MainDicomTags", "RequestedTags", "Parent"],
    "RequestedTags": ["StudyInstanceUID", "SeriesInstanceUID", "Modality", "StationName", "StudyDate"],
}
_DICOM_ATTACHMENT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedInstance:
    """An instance from Orthanc's index without its UIDs and its attachment: enough for rules.

    `file_size` is the length of the DICOM file in bytes, `pixel_data_offset` the position of its pixel data element.
    A text that Orthanc does not know is ""; so is `attachment_uuid`, which changes whenever the stored file does, where
    the answer does not have it.
    """

    orthanc_id: str
    modality: str
    sop_class_uid: str
    transfer_syntax_uid: str
    station_name: str
    remote_aet: str
    study_date: str
    number_of_frames: int
    file_size: int
    pixel_data_offset: int | None
    attachment_uuid: str = ""

    @property
    def frame_size(self) -> int:
        """The approximate size of a stored frame in bytes."""
        return max(0, self.file_size - (self.pixel_data_offset or 0)) // self.number_of_frames

    @classmethod
    def from_bulk_content(cls, answer: Mapping[str, Any], parents: Mapping[str, str]) -> DescribedInstance:
        """From one element of the answer of /tools/bulk-content, and the tags of its series and study.

        Raises SourceError for an invalid answer.
        """
        try:
            tags, metadata = answer.get("MainDicomTags", {}), answer.get("Metadata", {})
            described = _described({**parents, **tags}, metadata)
            file_size = int(answer.get("FileSize") or 0)
            if file_size < 0:
                raise SourceError("Orthanc's answer has no size")
            uuid = str(answer.get("FileUuid") or "")
            named = {"orthanc_id": answer["ID"], "attachment_uuid": uuid if is_uuid(uuid) else ""}
            return DescribedInstance(file_size=file_size, **named, **described)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SourceError(f"Orthanc's answer is invalid: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance(DescribedInstance):
    """One stored version of an instance: the attachment's UUID changes whenever its file does.

    `stored_size` is the length of the file on disk in bytes; it differs from `file_size` where Orthanc compresses its
    storage. `md5` is that of the DICOM file, or "" if Orthanc keeps none. `study_id` and `series_id` are Orthanc IDs,
    or "" if they were not queried.
    """

    path: InstancePath
    attachment_uuid: str
    stored_size: int
    md5: str = field(default="", compare=False)
    study_id: str = field(default="", compare=False)
    series_id: str = field(default="", compare=False)

    def to_json(self) -> bytes:
        """The instance as a record of the store."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """The inverse of `to_json`. Raises SourceError for other content."""
        try:
            fields = json.loads(content)
            return cls(**{**fields, "path": InstancePath(**fields["path"])})
        except (NotFound, ValueError, TypeError, KeyError) as error:
            raise SourceError("a record of the store cannot be read") from error

    @classmethod
    def from_find(cls, answer: Mapping[str, Any]) -> Self:
        """From one element of /tools/find's answer. Raises SourceError if anything is missing."""
        try:
            attachment = next(a for a in answer["Attachments"] if a["ContentType"] == _DICOM_ATTACHMENT)
            metadata, tags = answer["Metadata"], {**answer["MainDicomTags"], **answer["RequestedTags"]}
            instance = cls(
                path=InstancePath(tags["StudyInstanceUID"], tags["SeriesInstanceUID"], tags["SOPInstanceUID"]),
                orthanc_id=answer["ID"],
                attachment_uuid=attachment["Uuid"],
                stored_size=int(attachment["CompressedSize"]),
                file_size=int(attachment["UncompressedSize"]),
                md5=str(attachment.get("UncompressedMD5") or ""),
                series_id=str(answer.get("ParentSeries") or ""),
                **_described(tags, metadata),
            )
        except (NotFound, KeyError, ValueError, TypeError, StopIteration) as error:
            raise SourceError(f"Orthanc's answer lacks {error}") from error
        if not (is_uuid(instance.attachment_uuid) and is_orthanc_id(instance.orthanc_id)):
            raise SourceError("Orthanc's answer has no usable IDs")
        return instance


def _described(tags: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are in all answers of Orthanc's index, by their names in DescribedInstance."""
    offset = metadata.get("PixelDataOffset")
    return {
        "modality": _text_of(tags, "Modality"),
        "sop_class_uid": _text_of(metadata, "SopClassUid"),
        "transfer_syntax_uid": _text_of(metadata, "TransferSyntax"),
        "station_name": _text_of(tags, "StationName"),
        "remote_aet": _text_of(metadata, "RemoteAET"),
        "study_date": _text_of(tags, "StudyDate"),
        "number_of_frames": number_of_frames(tags),
        "pixel_data_offset": int(offset) if offset else None,
    }


def _text_of(values: Mapping[str, Any], name: str) -> str:
    """A text without surrounding spaces; "" if it is missing."""
    return str(values.get(name) or "").strip()


def number_of_frames(tags: Mapping[str, Any]) -> int:
    """NumberOfFrames (0028,0008) of a set of tags; absent means 1 (PS3.3 section C.7.6.6.1.1)."""
    text = str(tags.get("NumberOfFrames") or "1").strip()
    return max(1, int(text)) if text.isascii() and text.isdigit() else 1


def stored_path(storage_directory: Path, attachment_uuid: str) -> str:
    """The path of an attachment in Orthanc's own storage area."""
    # Not by Path's operators, which cost more than the `stat` of a thousand instances of a series.
    return f"{storage_directory}/{attachment_uuid[0:2]}/{attachment_uuid[2:4]}/{attachment_uuid}"


def beginning_of(instance: Instance, path: str | None) -> str | None:
    """`path` if its file is truncated. Orthanc's storage area never writes a file longer than its size."""
    try:
        size = os.stat(path).st_size if path and instance.stored_size == instance.file_size else 0
    except OSError:
        return None
    return path if 0 < size < instance.file_size else None
