"""`framecache studies`: the cached share of studies; and the resource that an argument names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.names import StudyNames
from framecache.cli.output import counted, properties, size, table
from framecache.cli.server import Server
from framecache.cli.session import Session

# Forty hexadecimal digits in five groups.
_ORTHANC_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")
# PS3.5 section 9.1, without its rule on leading zeros: some archives have such UIDs.
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_MOST_CHARACTERS = 64
_LEVELS = {"Study": "studies", "Series": "series", "Instance": "instances"}


@dataclass(frozen=True)
class Resource:
    """`level` is studies, series or instances, as in Orthanc's paths; `name` is the argument."""

    level: str
    orthanc_id: str
    name: str

    @property
    def path(self) -> str:
        """The path of its routes."""
        return f"frame-cache/{self.level}/{self.orthanc_id}"


def resolve(server: Server, name: str, *levels: str) -> Resource:
    """The resource with this Orthanc ID or UID, at one of `levels` (by default any). Raises CommandError."""
    wanted = levels or tuple(_LEVELS.values())
    found = _by_id(server, name, wanted) if _ORTHANC_ID.fullmatch(name) else _by_uid(server, name, wanted)
    if not found:
        raise CommandError(f"Orthanc has no {' or '.join(map(_singular, wanted))} {name}")
    if len(found) > 1:
        ids = ", ".join(f"{one.level}/{one.orthanc_id}" for one in found)
        raise CommandError(f"{name} is ambiguous: use an Orthanc ID ({ids})")
    return found[0]


def _by_id(server: Server, name: str, levels: tuple[str, ...]) -> list[Resource]:
    there = (level for level in levels if server.exists(f"{level}/{name}"))
    return [Resource(level, name, name) for level in there][:1]


def _by_uid(server: Server, name: str, levels: tuple[str, ...]) -> list[Resource]:
    if not (_UID.fullmatch(name) and len(name) <= _MOST_CHARACTERS):
        raise CommandError(f"{name} is neither an Orthanc ID nor a UID", ExitCode.USAGE)
    answers = server.post("tools/lookup", data=name)
    # tools/lookup also finds patient IDs and accession numbers, which may look like a UID.
    known = [Resource(_LEVELS[one["Type"]], one["ID"], name) for one in answers if one["Type"] in _LEVELS]
    return [one for one in known if one.level in levels]


def _singular(level: str) -> str:
    return {"studies": "study", "instances": "instance"}.get(level, level)


_COLUMNS = ("patient, date, description", "frames", "cached", "last viewed", "pinned", "study", "Study Instance UID")
_SERIES_COLUMNS = ("series", "instances", "archived", "frames", "cached", "Series Instance UID")


def studies(session: Session) -> ExitCode:
    """Show a page of the studies in the cache, or one study with its series."""
    if session.arguments.study:
        return _study(session)
    page = session.arguments
    answer = session.server.get("frame-cache/studies", limit=page.limit, offset=page.offset, sort=page.sort)
    names = StudyNames(session.server).of("studies", {study["ID"] for study in answer["Studies"] if study["ID"]})
    rows = [(names.get(study["ID"]), *_row(study)) for study in answer["Studies"]]
    session.output.show(answer, table(_COLUMNS, rows), f"{len(rows)} of {counted(answer['Total'], 'study', 'studies')}")
    return ExitCode.DONE


def _study(session: Session) -> ExitCode:
    study = resolve(session.server, session.arguments.study, "studies")
    answer: dict[str, Any] = session.server.get(study.path)
    series = [
        (
            one["ID"],
            f"{one['CachedInstances']}/{one['StoredInstances']}{_expected(one)}",
            one.get("ArchivedInstances"),
            _frames(one),
            size(one["Bytes"]),
            one["SeriesInstanceUID"],
        )
        for one in answer["SeriesList"]
    ]
    name = StudyNames(session.server).of("studies", [study.orthanc_id]).get(study.orthanc_id)
    summary = {"Study": name, **{key: answer[key] for key in answer if key != "SeriesList"}}
    session.output.show(answer, properties(summary), "", table(_SERIES_COLUMNS, series))
    return ExitCode.DONE


def _row(study: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        _frames(study),
        size(study["Bytes"]),
        study["LastViewed"],
        study["Pinned"],
        study["ID"],
        study["StudyInstanceUID"],
    )


def _frames(one: Mapping[str, Any]) -> str:
    return f"{one['CachedFrames']}/{one['Frames']}"


def _expected(series: Mapping[str, Any]) -> str:
    """Where more are expected than there are."""
    expected = series.get("ExpectedInstances") or 0
    return f" of {expected}" if expected > series["StoredInstances"] else ""
