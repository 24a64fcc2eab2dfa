"""Names of studies for Orthanc IDs: an ID alone means nothing to a person."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from framecache.cli.errors import CommandError
from framecache.cli.server import Server

_BULK = 500


class StudyNames:
    """Asks Orthanc with the login of this session, and so shows only names that this login may see."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def of(self, level: str, orthanc_ids: Collection[str]) -> dict[str, str]:
        """Patient's Name, Study Date and Study Description by ID of a study, series or instance; known IDs only."""
        if level == "instances":
            series = {str(one["ID"]): str(one["ParentSeries"]) for one in self._ask("Instance", orthanc_ids)}
            names = self.of("series", set(series.values()))
            return {name: names[parent] for name, parent in series.items() if parent in names}
        names = {}
        for study in self._ask("Study", orthanc_ids):
            for name in [study["ID"]] if level == "studies" else study["Series"]:
                names[str(name)] = _described(study)
        return {name: names[name] for name in orthanc_ids if name in names}

    def _ask(self, level: str, orthanc_ids: Collection[str]) -> Iterable[Mapping[str, Any]]:
        """Describe resources in batches; none if the login lacks permission."""
        names = sorted(orthanc_ids)
        for start in range(0, len(names), _BULK):
            question = {"Resources": names[start : start + _BULK], "Level": level, "Metadata": False}
            try:
                yield from self._server.post("tools/bulk-content", json=question)
            except CommandError:
                return


def _described(study: Mapping[str, Any]) -> str:
    tags, patient = study.get("MainDicomTags", {}), study.get("PatientMainDicomTags", {})
    day = str(tags.get("StudyDate") or "")
    date = f"{day[:4]}-{day[4:6]}-{day[6:]}" if day.isdecimal() and len(day) == len("YYYYMMDD") else day
    parts = (person(str(patient.get("PatientName") or "")), date, str(tags.get("StudyDescription") or ""))
    return ", ".join(filter(None, parts))


def person(name: str) -> str:
    """A DICOM name (PS3.5 section 6.2.1.2) in its stored order, from the first component group that is not empty."""
    groups = (" ".join(filter(None, group.split("^"))).strip() for group in name.split("="))
    return next(filter(None, groups), "")
