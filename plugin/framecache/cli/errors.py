"""What a command ends with."""

from __future__ import annotations

from enum import IntEnum


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
