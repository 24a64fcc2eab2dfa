"""`framecache bench`: compare the cache with Orthanc's own route, on a study of one's own server."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.load import LoadTurn, Measured, load, ratio
from framecache.cli.output import counted, size, table
from framecache.cli.resources import resolve
from framecache.cli.session import Session

_MOST_FRAMES = 1000
_COLUMNS = ("route", "answers", "median", "99th percentile", "a second", "errors", "hits")


def bench(session: Session) -> ExitCode:
    """Request cached frames from both routes in turns; REFUSED if the cache missed any of them."""
    arguments = session.arguments
    study, frames = _frames(session)
    session.output.note(
        f"requesting frames of study {study} from {session.server.url} over "
        f"{counted(arguments.connections, 'connection')} for a little more than {2 * arguments.seconds:g} s. "
        "Half of the requests use Orthanc's own route, which may read whole files for one frame and slow viewers down. "
        "Nothing is changed; the study counts as viewed."
    )
    cache, stock = _measured(session, frames)
    report = {
        "Study": study,
        "Connections": arguments.connections,
        "Seconds": arguments.seconds,
        "Frames": len(frames),
        "AnswerBytes": cache.answer_bytes,
        "Cache": cache.to_json(),
        "Stock": stock.to_json(),
        "Ratio": {"Median": ratio(stock.median, cache.median), "P99": ratio(stock.p99, cache.p99)},
    }
    session.output.show(
        report, table(_COLUMNS, [_row("frame cache", cache), _row("Orthanc", stock)]), "", _ratio_line(report)
    )
    return ExitCode.DONE if cache.hits == len(cache.samples) else ExitCode.REFUSED


def _measured(session: Session, frames: Sequence[tuple[str, int]]) -> tuple[Measured, Measured]:
    """Measure the cache and Orthanc's own route in turns: other load on the server affects both."""
    arguments = session.arguments
    cache = [f"{path}/frames/{frame}" for path, frame in frames]
    stock = [f"{path}/frames/0{frame}" for path, frame in frames]  # Orthanc reads 01 as 1; the plugin hands it over
    turns: list[LoadTurn] = []
    with session.output.progress() as progress:
        bar = progress.add_task("measuring", total=4, unit="turns")
        for paths in (cache, stock, stock, cache):
            turns.append(load(session.connect, paths, arguments.connections, arguments.seconds / 2))
            progress.advance(bar)
    return Measured([turns[0], turns[3]]), Measured([turns[1], turns[2]])


def _frames(session: Session) -> tuple[str, list[tuple[str, int]]]:
    """The study, and the DICOMweb paths of its cached instances, each with a frame number, in random order.

    Raises CommandError if no instance is completely cached.
    """
    study_id = _study(session)
    study = session.server.get(f"frame-cache/studies/{study_id}")
    root = f"{session.server.dicom_web_root()}studies/{study['StudyInstanceUID']}"
    found = []
    for one in study["SeriesList"]:
        series = session.server.get(f"frame-cache/series/{one['ID']}")
        for instance in series["InstancesList"]:
            if instance["State"] == "cached":
                path = f"{root}/series/{series['SeriesInstanceUID']}/instances/{instance['SOPInstanceUID']}"
                found += [(path, frame + 1) for frame in range(instance["NumberOfFrames"])]
    if not found:
        raise CommandError(f"no instance of {study_id} is completely cached: run `framecache warm {study_id}` first")
    random.shuffle(found)
    return study_id, found[:_MOST_FRAMES]


def _study(session: Session) -> str:
    """The study in the arguments, or by default the study with most cached frames."""
    if session.arguments.study:
        return resolve(session.server, session.arguments.study, "studies").orthanc_id
    studies = session.server.get("frame-cache/studies", limit=10, sort="Frames")["Studies"]
    known = [str(study["ID"]) for study in studies if study["ID"]]
    if not known:
        raise CommandError("the cache is empty: run `framecache warm STUDY` first")
    return known[0]


def _row(name: str, route: Measured) -> tuple[object, ...]:
    times = (_milliseconds(route.median), _milliseconds(route.p99))
    return (name, len(route.samples), *times, size(route.throughput), route.errors, route.hits)


def _ratio_line(report: dict[str, Any]) -> str:
    requested = f"{counted(report['Frames'], 'frame')}, {size(report['AnswerBytes'])} an answer."
    if report["Ratio"]["Median"] is None:
        return f"{requested} No ratio: one of the routes gave no valid answer"
    median, p99 = report["Ratio"]["Median"], report["Ratio"]["P99"]
    return f"{requested} Orthanc's own route took {median} times as long (median), {p99} times at the 99th percentile"


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"
