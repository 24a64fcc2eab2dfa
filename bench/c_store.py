"""Sending instances as a modality does: a C-STORE (PS3.7 9.1.1) of each over one association, by dcmtk's storescu."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.client import NotAvailable
from bench.tools import Tools

AE_TITLE = "ORTHANC"


def dicom_server(port: int) -> Mapping[str, object]:
    """Orthanc's settings that let anyone on this machine send to `port`."""
    return {"DicomServerEnabled": True, "DicomPort": port, "DicomAet": AE_TITLE, "DicomAlwaysAllowStore": True}


def send(tools: Tools, port: int, paths: Sequence[Path]) -> None:
    """Return when the last one was answered. Raises NotAvailable where one was not taken."""
    arguments = ["--aetitle", "BENCH", "--call", AE_TITLE, "--required", "127.0.0.1", str(port), *map(str, paths)]
    command = tools.command("usr/bin/storescu", *arguments)
    done = subprocess.run(command, env=tools.environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotAvailable(f"storescu: {(done.stderr or done.stdout).strip()[-200:]}")
