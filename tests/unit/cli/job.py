"""A job as the server describes it."""

from __future__ import annotations

from typing import Any

from tests.unit.fakes import orthanc_id

STUDY = orthanc_id(1)


def job(job_id: str, state: str = "running", done: int = 0, result: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "ID": job_id,
        "Kind": "warm",
        "Level": "studies",
        "Subject": STUDY,
        "State": state,
        "Done": done,
        "Total": 3,
        "Unit": "instances",
        "Bytes": 0,
        "Created": "2026-11-21T15:00:00Z",
        "Ended": None,
        "Error": "broken" if state == "failed" else None,
        "Result": result,
    }
