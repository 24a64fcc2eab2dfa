"""What rules have to know of instances, of up to 200 of them in one question."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from framecache.dicom.instance import number_of_frames, text_of
from framecache.errors import FrameCacheError, SourceError
from framecache.ports import OrthancApi


@dataclass(frozen=True, slots=True)
class Arrival:
    """An instance before anything was read of it; `file_size` and `frame_size` are in bytes."""

    orthanc_id: str
    modality: str
    sop_class_uid: str
    transfer_syntax_uid: str
    station_name: str
    remote_aet: str
    study_date: str
    number_of_frames: int
    file_size: int
    frame_size: int

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Self:
        """From one element of the answer. Raises FrameCacheError, KeyError, TypeError, ValueError for an odd one."""
        tags = {**answer.get("RequestedTags", {}), **answer.get("MainDicomTags", {})}
        metadata, frames = answer.get("Metadata", {}), number_of_frames(tags)
        size, offset = int(answer.get("FileSize") or 0), int(metadata.get("PixelDataOffset") or 0)
        if size < 0 or frames < 1:
            raise FrameCacheError("Orthanc's answer has no size")
        return cls(
            orthanc_id=answer["ID"],
            modality=text_of(tags, "Modality"),
            sop_class_uid=text_of(metadata, "SopClassUid"),
            transfer_syntax_uid=text_of(metadata, "TransferSyntax"),
            station_name=text_of(tags, "StationName"),
            remote_aet=text_of(metadata, "RemoteAET"),
            study_date=text_of(tags, "StudyDate"),
            number_of_frames=frames,
            file_size=size,
            frame_size=max(0, size - offset) // frames,
        )


class Arrivals:
    """Asks Orthanc; all that is asked for is in its database."""

    def __init__(self, api: OrthancApi, tags: Sequence[str]) -> None:
        """`tags` are those of series and study that are wanted; without any, nothing is asked of these."""
        self._api, self._tags = api, list(tags)

    def of(self, orthanc_ids: Sequence[str], on_odd: Callable[[Exception], None]) -> Iterator[Arrival]:
        """Those of the instances that Orthanc has; `on_odd` is told of an answer that cannot be understood.

        Raises SourceError.
        """
        question: dict[str, Any] = {"Resources": list(orthanc_ids), "Level": "Instance", "Metadata": True}
        if self._tags:
            question["RequestedTags"] = self._tags
        for answer in self._answers(question):
            try:
                arrival = Arrival.from_answer(answer)
            except (FrameCacheError, KeyError, ValueError, TypeError, AttributeError) as error:
                on_odd(error)
            else:
                yield arrival

    def _answers(self, question: Mapping[str, Any]) -> list[dict[str, Any]]:
        try:
            answers: list[dict[str, Any]] = json.loads(
                self._api.post("/tools/bulk-content", json.dumps(question).encode())
            )
        except ValueError as error:
            raise SourceError(f"Orthanc's answer cannot be understood: {error}") from error
        return answers
