"""What rules have to know of instances, asked of Orthanc for many of them at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from framecache.errors import FrameCacheError, SourceError
from framecache.orthanc.instance import number_of_frames, text_of
from framecache.ports import OrthancApi

_OF_SERIES = frozenset({"Modality", "StationName"})
_OF_STUDIES = frozenset({"StudyDate"})


# A long series arrives in many batches, and Orthanc's answer on a series lists all of its instances each time.
_REMEMBERED_SECONDS = 10.0


class _Above(NamedTuple):
    """The tags of a series and its study, and when they were asked for (monotonic)."""

    asked_at: float
    tags: dict[str, str]


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
    def from_answer(cls, answer: Mapping[str, Any], above: Mapping[str, str]) -> Self:
        """From one element of the answer, and the tags of its series and study.

        Raises FrameCacheError, AttributeError, KeyError, TypeError, ValueError for an odd one.
        """
        tags, metadata = answer.get("MainDicomTags", {}), answer.get("Metadata", {})
        frames = number_of_frames(tags)
        size, offset = int(answer.get("FileSize") or 0), int(metadata.get("PixelDataOffset") or 0)
        if size < 0 or frames < 1:
            raise FrameCacheError("Orthanc's answer has no size")
        return cls(
            orthanc_id=answer["ID"],
            modality=text_of(above, "Modality"),
            sop_class_uid=text_of(metadata, "SopClassUid"),
            transfer_syntax_uid=text_of(metadata, "TransferSyntax"),
            station_name=text_of(above, "StationName"),
            remote_aet=text_of(metadata, "RemoteAET"),
            study_date=text_of(above, "StudyDate"),
            number_of_frames=frames,
            file_size=size,
            frame_size=max(0, size - offset) // frames,
        )


class Arrivals:
    """Asks Orthanc: one question for the instances, one more for their series and one for their studies, if need be.

    All that is asked for is in its database.
    """

    def __init__(self, api: OrthancApi, tags: Collection[str]) -> None:
        """`tags` are those of series and study that are wanted."""
        self._api, self._remembered = api, dict[str, _Above]()
        self._wants_series, self._wants_studies = bool(_OF_SERIES & {*tags}), bool(_OF_STUDIES & {*tags})

    def of(self, orthanc_ids: Sequence[str], on_odd: Callable[[Exception], None]) -> Iterator[Arrival]:
        """Those of some hundred instances that Orthanc has; `on_odd` is told of an answer that cannot be understood.

        Raises SourceError.
        """
        answers = self._ask("Instance", orthanc_ids)
        above = self._above(sorted({str(answer.get("ParentSeries", "")) for answer in answers}))
        for answer in answers:
            try:
                arrival = Arrival.from_answer(answer, above.get(answer.get("ParentSeries", ""), {}))
            except (FrameCacheError, AttributeError, KeyError, TypeError, ValueError) as error:
                on_odd(error)
            else:
                yield arrival

    def _above(self, series: Sequence[str]) -> dict[str, dict[str, str]]:
        """The tags of some series and of their studies, by the Orthanc IDs of the series."""
        now = time.monotonic()
        known = {name: one for name, one in self._remembered.items() if now - one.asked_at < _REMEMBERED_SECONDS}
        missing = [name for name in series if name not in known]
        known |= {name: _Above(now, {}) for name in missing}
        for answer in self._ask("Series", missing) if missing and self._wants_series else []:
            known.get(answer.get("ID", ""), _Above(now, {})).tags.update(answer.get("MainDicomTags", {}))
        for answer in self._ask("Study", missing) if missing and self._wants_studies else []:
            for name in known.keys() & set(answer.get("Series", [])):
                known[name].tags.update(answer.get("MainDicomTags", {}))
        self._remembered = known
        return {name: known[name].tags for name in series}

    def _ask(self, level: str, resources: Sequence[str]) -> list[dict[str, Any]]:
        body = {"Resources": list(resources), "Level": level, "Metadata": level == "Instance"}
        try:
            answers = json.loads(self._api.post("/tools/bulk-content", json.dumps(body).encode()))
        except ValueError as error:
            raise SourceError(f"Orthanc's answer cannot be understood: {error}") from error
        return [answer for answer in answers if isinstance(answer, dict)]
