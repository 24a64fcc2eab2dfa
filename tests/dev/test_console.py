"""Whatever another program prints when it fails becomes one line that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from dev.console import SetupError, exit_code, explain, full_disk, run

PIP_OFFLINE = """\
WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError: [Errno 111] Connection refused'
ERROR: Could not find a version that satisfies the requirement rich==15.0.0 (from versions: none)
ERROR: No matching distribution found for rich==15.0.0
"""

CASES = [
    (PIP_OFFLINE, "it failed (Connection refused)"),
    ("Get:1 trixie\nE: Unable to locate package orthanc\nE: second", "it failed (E: Unable to locate package orthanc)"),
    ("first\nlast words\n\n", "it failed (last words)"),
    ("", "it failed (no message)"),
]


@pytest.mark.parametrize(("output", "line"), CASES)
def test_the_cause_is_put_behind_what_failed(output: str, line: str) -> None:
    assert explain("it failed", output) == line


@pytest.mark.parametrize(
    "output",
    [
        "dpkg-deb: error: failed to write: No space left on device",
        "E: You don't have enough free space in /x/",
        "ERROR: Could not install packages due to an OSError: [Errno 122] Disk quota exceeded",
    ],
)
def test_a_full_disk_is_named_as_such(output: str) -> None:
    assert explain("it failed", output).startswith("the disk is full: make room for ")


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(SetupError, match=r"^no-such-program is missing"):
        run(["no-such-program"], failure="it failed")


def test_a_program_that_fails_raises_its_words() -> None:
    with pytest.raises(SetupError, match=r"^it failed \(E: broken\)$"):
        run(["sh", "-c", "echo 'E: broken' >&2; exit 3"], failure="it failed")


def test_what_a_program_prints_is_returned() -> None:
    assert run(["echo", "words"], failure="it failed") == "words\n"


def raising(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (SetupError("no network"), 1, "error: no network\n"),
        (OSError(errno.EACCES, "Permission denied", "/x"), 1, "error: Permission denied: /x\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, f"error: {full_disk()}\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
    ],
)
def test_errors_end_in_one_line_and_a_code(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(raising(error)) == code
    assert capsys.readouterr().err == line


def test_a_fault_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_code(raising(ZeroDivisionError()))
