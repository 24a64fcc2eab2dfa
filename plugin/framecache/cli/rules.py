"""`framecache rules`: a dry run of rules on the studies of the last days. It caches nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.jobs import until_ended
from framecache.cli.output import counted, size, table
from framecache.cli.session import Session

_COLUMNS = ("rule", "conditions", "cached", "instances", "frames", "as stored", "in the cache", "CPU")
_WHEN = {"arrival": "on arrival", "demand": "when viewed", "never": "never"}


def rules(session: Session) -> ExitCode:
    """Have the server do a dry run, and show its result."""
    result = preview(session, _question(session))
    rows = [_row(_name(row), row) for row in result["Rules"]]
    session.output.show(result, table(_COLUMNS, [*rows, _row("all", result["Total"])]), *_words(result))
    return ExitCode.DONE


def preview(session: Session, question: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a dry run. Raises CommandError; Ctrl-C cancels it on the server, too."""
    answer = session.server.post("frame-cache/rules/preview", json=question)
    try:
        (job,) = until_ended(session, [answer["Job"]])
    except KeyboardInterrupt:
        session.server.post(f"frame-cache/jobs/{answer['Job']}/cancel")
        raise
    if job["State"] != "done":
        raise CommandError(f"the dry run is {job['State']}: {job['Error'] or 'somebody cancelled it'}")
    result: dict[str, Any] = job["Result"]
    return result


def _question(session: Session) -> dict[str, Any]:
    path = session.arguments.rules
    return {"Rules": None if path is None else read_rules(path), "Days": session.arguments.last}


def read_rules(path: str) -> object:
    """The rules in a file ("-": standard input): a list, or a configuration with one. Raises CommandError."""
    try:
        content = json.loads(sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read as JSON: {error}", ExitCode.USAGE) from None
    for key in ("FrameCache", "Rules"):
        if isinstance(content, dict) and key in content:
            content = content[key]
    if not isinstance(content, list):
        raise CommandError(f'{path} has no list of rules such as [{{"Modality": "MG"}}]', ExitCode.USAGE)
    return content


def _name(row: Mapping[str, Any]) -> str:
    return "none" if row["Rule"] is None else str(row["Rule"])


def _row(name: str, row: Mapping[str, Any]) -> tuple[object, ...]:
    written = row.get("Written")
    return (
        name,
        "" if written is None else json.dumps(written, ensure_ascii=False),
        _WHEN.get(row.get("Extract", ""), ""),
        row["Instances"],
        row["Frames"],
        size(row["StoredBytes"]),
        None if row["CacheBytes"] is None else size(row["CacheBytes"]),
        None if row["CPUSeconds"] is None else f"{row['CPUSeconds']:.1f} s",
    )


def _words(result: Mapping[str, Any]) -> list[str]:
    """Notes on the table."""
    if not result["Studies"]:
        return ["No studies in this period."]
    said = [f"{counted(result['Studies'], 'study', 'studies')} since {result['FirstStudyDate']}."]
    if result["DaysKept"] is not None:
        said.append(f"MaximumSizeMB has room for {counted(round(result['DaysKept']), 'day')} of such arrivals.")
    forms = result["Measured"].items()
    measured = [f"{form} {sums['CPUSeconds']:.1f} s for {size(sums['StoredBytes'])}" for form, sums in forms]
    said.append(f"CPU is estimated from this server's measurements: {', '.join(measured) or 'none yet'}.")
    if result["Total"]["CPUSeconds"] is None or result["Total"]["CacheBytes"] is None:
        said.append('"-" is unknown: this server has not cached anything in that form yet.')
    return said
