"""Running another program, and saying in one line what to do when it fails."""

from __future__ import annotations

import errno
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
CACHE = CHECKOUT / ".cache"

FULL_DISK = ("No space left on device", "enough free space", "Disk quota exceeded")
NETWORK = (
    "CERTIFICATE_VERIFY_FAILED",
    "Connection refused",
    "Could not resolve",
    "Name or service not known",
    "Network is unreachable",
    "Temporary failure in name resolution",
    "timed out",
)


class SetupError(Exception):
    """Something outside the checkout is missing or in the way; the text is one line that says what to do."""


def say(line: str) -> None:
    print(line, flush=True)


def run(command: Sequence[str], *, failure: str, environment: Mapping[str, str] | None = None) -> str:
    """Return what `command` printed on its standard output.

    `failure` says what could not be done and what to try; the program's own last error line is put behind it.
    Raises SetupError when the program is missing or fails.
    """
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    except FileNotFoundError:
        raise SetupError(f"{command[0]} is missing: this needs a Debian machine with apt and dpkg") from None
    if done.returncode != 0:
        raise SetupError(explain(failure, done.stderr or done.stdout))
    return done.stdout


def explain(failure: str, output: str) -> str:
    """One line for the failed program that printed `output`: a full disk is named as such, and so is a dead network."""
    if any(words in output for words in FULL_DISK):
        return full_disk()
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    causes = [words for words in NETWORK if words in output]
    errors = [line for line in lines if line.startswith(("E:", "ERROR:", "error:"))]
    reason = (causes or errors or lines[-1:] or ["no message"])[0]
    return f"{failure} ({reason})"


def full_disk() -> str:
    return f"the disk is full: make room for {CACHE} and in {tempfile.gettempdir()}"


def exit_code(main: Callable[[], None]) -> int:
    """Run `main`; a SetupError, a full disk or Ctrl-C becomes one line and a code, never a traceback."""
    try:
        main()
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        line = f"{error.strerror}: {error.filename or CACHE}"
        print(f"error: {full_disk() if error.errno == errno.ENOSPC else line}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0
