"""The PythonScript of the measured Orthanc: the plugin as it is, and a route that does nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orthanc

# Orthanc has put only this script's own folder there.
sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "plugin")]

from framecache import install  # noqa: E402
from framecache.orthanc.api import for_good  # noqa: E402


def trivial(output: orthanc.RestOutput, _uri: str, **_request: Any) -> None:
    """Orthanc's callback: what any Python route costs."""
    output.AnswerBuffer(b"trivial", "text/plain")


orthanc.RegisterRestCallback("/trivial", for_good(trivial))
install(orthanc)
