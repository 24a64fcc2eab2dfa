"""What goes wrong on the command line, with its exit code, and why a route is missing."""

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
    INTERRUPTED = 130  # 128 and SIGINT, as shells count it


class CommandError(Exception):
    """The command cannot be done; the text says why and what to do, without a traceback."""

    def __init__(self, message: str, code: ExitCode = ExitCode.REFUSED) -> None:
        super().__init__(message)
        self.code = code


class Question(Protocol):
    """The server that answered 404."""

    url: str

    def try_get(self, path: str) -> Any: ...
    def is_serving_frames(self) -> bool: ...


def explain_missing(server: Question, path: str) -> CommandError:
    """What is there instead of the plugin's answer to `path`, found out by some more questions."""
    if "/frame-cache/" not in path:
        return CommandError(f"the server does not know {path}")
    return CommandError(_what_is_there(server, path), ExitCode.NO_PLUGIN)


def _what_is_there(server: Question, path: str) -> str:
    status = server.try_get("frame-cache/status")
    if isinstance(status, dict) and status.get("Serving") is False:
        return f"the frame cache there is off: {_advice(status)}"
    if isinstance(status, dict):
        version = status.get("Version", "unknown")
        return f"the plugin there (version {version}) does not know {path}: this command needs a newer one"
    system = server.try_get("system")
    if not (isinstance(system, dict) and "ApiVersion" in system):
        return f"{server.url} is no Orthanc: is --url right? A path in front of Orthanc belongs to it"
    orthanc = f"Orthanc {system.get('Version')} runs there"
    if "python" not in (server.try_get("plugins") or ()):
        return f"{orthanc} without its Python plugin, and so without the frame cache"
    if server.is_serving_frames():
        return f'{orthanc} with the frame cache, but its setting "AdminRoutes" is off: nobody can ask it anything'
    return (
        f'{orthanc} without the frame cache: is it loaded by PythonScript, and is its setting "Enable" on? '
        "Orthanc's log says more"
    )


def _advice(status: dict[str, Any]) -> str:
    """What its failed checks say."""
    failed = [str(check.get("Advice")) for check in status.get("Checks", ()) if not check.get("Passed")]
    return "; ".join(failed) or "Orthanc's log says why"
