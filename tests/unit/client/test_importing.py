"""Importing the clients needs neither Orthanc nor what decodes: that is imported when it is needed."""

from __future__ import annotations

import subprocess
import sys

from dev.console import CHECKOUT

LOADED = "import sys, framecache.client; print(*sys.modules)"


def test_importing_needs_no_orthanc_no_store_and_no_decoders() -> None:
    command = [sys.executable, "-c", LOADED]
    done = subprocess.run(command, cwd=CHECKOUT / "plugin", capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "framecache.client" in loaded
    assert not loaded & {"orthanc", "diskcache", "numpy", "pydicom", "imagecodecs", "obstore", "framecache.app"}
