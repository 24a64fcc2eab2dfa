"""What a helper process may not do: outlive Orthanc, take all memory, leave pixels in a core dump."""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import signal
import warnings

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVILEGES = 38


def confine(memory_limit: int, niceness: int) -> None:
    """Bind this process; `memory_limit` in bytes of address space, `niceness` as `nice` has it."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit, memory_limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    # The end of standard input would do, were the process not busy with a frame when Orthanc ends.
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    os.nice(niceness)
    # Ctrl-C in a terminal is meant for Orthanc, which ends this process when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # pydicom's warnings quote values of the data set, and what is written to standard error ends in Orthanc's log.
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
