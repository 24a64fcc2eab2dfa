"""`framecache doctor`: tells from the files and from the running server what is wrong, and what to do."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.output import table
from framecache.cli.session import Session

if TYPE_CHECKING:
    from framecache.admin.checks import Check

CONFIGURATION = "/etc/orthanc"
# The image orthancteam/orthanc makes it of /etc/orthanc and of its environment, and starts Orthanc with it.
_OF_IMAGE, _VARIABLES = Path("/tmp/orthanc.json"), "ORTHANC__"  # noqa: S108 - it is read only
_CLOCKS_DIFFER = 60.0  # seconds


def doctor(session: Session) -> ExitCode:
    """Show all checks; REFUSED if one failed."""
    checks = [("files", check) for check in _outside(session)]
    if not session.arguments.offline:
        checks += [("server", check) for check in _inside(session)]
    rows = [(where, one.name, one.passed, "" if one.passed else one.advice) for where, one in checks]
    report = [
        {"From": where, "Name": name, "Passed": passed, **({} if passed else {"Advice": advice})}
        for where, name, passed, advice in rows
    ]
    failed = sum(not one.passed for _, one in checks)
    summary = f"{failed} of {len(checks)} checks failed." if failed else f"All {len(checks)} checks passed."
    session.output.show({"Checks": report}, table(("from", "check", "passed", "what to do"), rows), "", summary)
    return ExitCode.REFUSED if failed else ExitCode.DONE


def _outside(session: Session) -> list[Check]:
    """The files of the configuration, if they are on this machine."""
    from framecache.installation.examination import Examination  # noqa: PLC0415 - other commands need nothing of it
    from framecache.installation.machine import Machine  # noqa: PLC0415

    named = session.arguments.configuration
    path = Path(named) if named else configuration_in_use(os.environ)
    if named is None and not path.exists() and not session.arguments.offline:
        session.output.note(f"{path} is not on this machine: only the server is asked")
        return []
    return Examination(path, Machine(), session.arguments.python).checks()


def configuration_in_use(environment: Mapping[str, str], of_image: Path = _OF_IMAGE) -> Path:
    """Orthanc's configuration where nobody names one: `of_image` in a container that is configured by variables."""
    return of_image if is_configured_by(environment) and of_image.exists() else Path(CONFIGURATION)


def is_configured_by(environment: Mapping[str, str]) -> bool:
    """Whether variables override the files of the configuration."""
    return any(name.startswith(_VARIABLES) for name in environment)


def _inside(session: Session) -> Iterator[Check]:
    """What the running plugin says of itself."""
    from framecache.admin.checks import Check  # noqa: PLC0415

    try:
        status: dict[str, Any] = session.server.get("frame-cache/status")
    except CommandError as error:
        yield Check("Server", False, str(error))
        return
    yield Check("Server", True, "")
    for one in status["Checks"]:
        yield Check(one["Name"], one["Passed"], one.get("Advice", ""))
    yield Check("Serving", status["Serving"], "the plugin serves no frames: the other checks and Orthanc's log say why")
    yield from _states(status)
    yield _clock(session)


def _states(status: dict[str, Any]) -> Iterator[Check]:
    """What goes wrong while it runs."""
    from framecache import __version__  # noqa: PLC0415
    from framecache.admin.checks import Check  # noqa: PLC0415

    degraded = status.get("Degraded") or {}
    advice = f"nothing can be cached since {degraded.get('Since')}: {degraded.get('Reason')}"
    yield Check("Caching", not degraded, advice)
    failures = status.get("Failures", 0)
    reasons = "; ".join(map(str, (status.get("FailedInstances") or {}).values())) or "see Orthanc's log"
    yield Check("Extraction", not failures, f"{failures} extractions failed since the start: {reasons}")
    damaged = status.get("DamagedBlocks", 0)
    yield Check("Blocks", not damaged, f"{damaged} cached blocks were damaged: check the disk of the cache")
    same = status["Version"] == __version__
    advice = f"the plugin is {status['Version']} and this command {__version__}: install the same version of both"
    yield Check("Version", same, advice)


def _clock(session: Session) -> Check:
    """Whether the server's clock is this machine's."""
    from framecache.admin.checks import Check  # noqa: PLC0415

    date = session.server.ask("GET", "frame-cache/status").headers.get("Date")
    apart = abs(parsedate_to_datetime(date).timestamp() - time.time()) if date else 0.0
    advice = f"the server's clock is {apart:.0f} s away from this machine's: synchronize them (NTP)"
    return Check("Clock", apart < _CLOCKS_DIFFER, advice)
