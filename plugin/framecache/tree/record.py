"""The record of one version of an instance: what it is made of, and where its frames are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from framecache.dicom.frame_table import Extent
from framecache.dicom.identity import InstancePath
from framecache.errors import NotFound
from framecache.tree.errors import Damaged
from framecache.tree.json_object import text_of

Element = Mapping[str, Any]
# A DICOM JSON object: the canonical JSON of each element by its tag. As texts they need a tenth of the memory, and are
# compared, shared and written without being parsed.
Metadata = Mapping[str, str]


def metadata_of(value: Mapping[str, Element]) -> Metadata:
    """From a DICOM JSON object. Raises TypeError if it is none."""
    if not all(isinstance(element, dict) for element in value.values()):
        raise TypeError(value)
    return {tag: text_of(element) for tag, element in value.items()}


@dataclass(frozen=True, slots=True)
class Origin:
    """The stored file that a version is made of: its SHA-256 and size; where it is known, Orthanc's attachment, and a
    name of the database that this is in."""

    sha256: str
    size: int
    attachment_uuid: str = ""
    md5: str = ""
    database: str = ""

    def to_json(self) -> dict[str, Any]:
        known = {"attachment": self.attachment_uuid, "md5": self.md5, "database": self.database}
        return {"sha256": self.sha256, "size": self.size, **{name: text for name, text in known.items() if text}}

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> Self:
        named = [str(members.get(name, "")) for name in ("attachment", "md5", "database")]
        return cls(str(members["sha256"]), int(members["size"]), *named)


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A frame as it is kept: its length, its xxh3-64, and its runs in the stored file if it is sent as it lies."""

    length: int
    checksum: str
    runs: tuple[Extent, ...] = ()

    def place(self) -> Any:
        """The runs as JSON: an offset if there is one run, else pairs of offset and length."""
        if len(self.runs) == 1:
            return self.runs[0].offset
        return [[run.offset, run.length] for run in self.runs]


@dataclass(frozen=True, slots=True)
class Record:
    """One version of an instance. Of two versions the greater `version` is the later one; at a draw, the greater hash.

    `transfer_syntax_uid` is that of the stored file, `frames_transfer_syntax_uid` that of the frames; `frames` are
    empty if they are kept `together`, in one object with a table beside it.
    """

    path: InstancePath
    version: int
    transfer_syntax_uid: str
    origin: Origin
    number_of_frames: int
    frames_transfer_syntax_uid: str
    metadata: Metadata = field(repr=False)
    frames: Sequence[StoredFrame] = field(default=(), repr=False)
    together: bool = False

    @property
    def rank(self) -> tuple[int, str]:
        return self.version, self.origin.sha256

    def to_json(self) -> dict[str, Any]:
        """Without study, series and metadata, which an entry keeps once."""
        return {
            "instance": self.path.sop_instance_uid,
            "version": self.version,
            "transferSyntax": self.transfer_syntax_uid,
            "source": self.origin.to_json(),
            "frames": self._frames_to_json(),
        }

    def check_frames(self, numbers: Sequence[int]) -> None:
        """Raises NotFound unless the instance has frames of these numbers, which count from 1."""
        if any(not 1 <= number <= self.number_of_frames for number in numbers):
            raise NotFound(f"the instance has {self.number_of_frames} frames")

    def _frames_to_json(self) -> dict[str, Any]:
        known = {"number": self.number_of_frames, "transferSyntax": self.frames_transfer_syntax_uid}
        if self.together:
            return {**known, "together": True}
        columns = {
            "lengths": [frame.length for frame in self.frames],
            "checksums": [frame.checksum for frame in self.frames],
        }
        places = {"places": [frame.place() for frame in self.frames]} if _are_placed(self.frames) else {}
        return {**known, **columns, **places}

    @classmethod
    def from_json(cls, study: str, series: str, members: Mapping[str, Any], metadata: Metadata) -> Self:
        """Raises Damaged."""
        try:
            frames = members["frames"]
            return cls(
                InstancePath(study, series, members["instance"]),
                int(members["version"]),
                str(members["transferSyntax"]),
                Origin.from_json(members["source"]),
                int(frames["number"]),
                str(frames["transferSyntax"]),
                metadata,
                () if frames.get("together") else tuple(_frames(frames)),
                bool(frames.get("together")),
            )
        except (KeyError, TypeError, ValueError, AttributeError, NotFound) as error:
            raise Damaged("the record of an instance cannot be read") from error


def _are_placed(frames: Sequence[StoredFrame]) -> bool:
    return bool(frames) and all(frame.runs for frame in frames)


def _frames(members: Mapping[str, Any]) -> list[StoredFrame]:
    lengths, checksums = members["lengths"], members["checksums"]
    places = members.get("places") or [[]] * len(lengths)
    return [
        StoredFrame(int(length), str(checksum), _runs(place, int(length)))
        for length, checksum, place in zip(lengths, checksums, places, strict=True)
    ]


def _runs(place: Any, length: int) -> tuple[Extent, ...]:
    if isinstance(place, int):
        return (Extent(place, length),)
    return tuple(Extent(int(offset), int(size)) for offset, size in place)
