"""Errors of the command line with their exit codes, and the reasons why a route is missing."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Protocol


class ExitCode(IntEnum):
    """The exit codes of the command, as docs/command-line.md lists them."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    NOT_REACHABLE = 3
    NOT_ALLOWED = 4
    NO_PLUGIN = 5
    INTERRUPTED = 130  # 128 plus SIGINT, as shells report it


class CommandError(Exception):
    """The command failed; the text gives the reason and a remedy, without a traceback."""

    def __init__(self, message: str, code: ExitCode = ExitCode.REFUSED) -> None:
        super().__init__(message)
        self.code = code


class MissingRouteServer(Protocol):
    """The server that answered 404."""

    url: str

    def try_get(self, path: str) -> Any: ...
    def is_serving_frames(self) -> bool: ...


def explain_missing(server: MissingRouteServer, path: str) -> CommandError:
    """The reason why the server has no plugin route `path`, found by further requests."""
    if "/frame-cache/" not in path:
        return CommandError(f"the server does not know {path}")
    return CommandError(_what_is_there(server, path), ExitCode.NO_PLUGIN)


def _what_is_there(server: MissingRouteServer, path: str) -> str:
    status = server.try_get("frame-cache/status")
    if isinstance(status, dict) and status.get("Serving") is False:
        return f"the frame cache is off: {_advice(status)}"
    if isinstance(status, dict):
        version = status.get("Version", "unknown")
        return f"the plugin (version {version}) has no route {path}: this command needs a newer one"
    system = server.try_get("system")
    if not (isinstance(system, dict) and "ApiVersion" in system):
        return f"{server.url} is not an Orthanc: check --url, including the path prefix of a proxy"
    orthanc = f"Orthanc {system.get('Version')} runs there"
    if "python" not in (server.try_get("plugins") or ()):
        return f"{orthanc} without its Python plugin, and therefore without the frame cache"
    if server.is_serving_frames():
        return f'{orthanc} with the frame cache, but its setting "AdminRoutes" is off, which this command requires'
    return (
        f'{orthanc} without the frame cache: check PythonScript and the setting "Enable" in its configuration. '
        "See Orthanc's log"
    )


def _advice(status: dict[str, Any]) -> str:
    """The advice of its failed checks."""
    failed = [str(check.get("Advice")) for check in status.get("Checks", ()) if not check.get("Passed")]
    return "; ".join(failed) or "see Orthanc's log"
