"""Traces, if the environment asks for them."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from framecache.admin import checks
from framecache.admin.checks import Findings
from framecache.serving.route import SENTINEL
from framecache.telemetry.tracing.exporter import protocol_error, wants_traces
from framecache.telemetry.tracing.tracer import Tracer

logger = logging.getLogger(__name__)


def trace(environment: Mapping[str, str], python: str, findings: Findings, node: str = "") -> Tracer | None:
    """None where nothing asks for traces, or they cannot be had in the form that is asked for."""

    def note(error: str | None) -> None:
        check = checks.check_tracing(error)
        findings.note(check)
        if not check.passed:
            logger.error(check.advice)

    if not wants_traces(environment):
        return None
    error = protocol_error(environment)
    findings.note(checks.check_tracing(error))
    return None if error else Tracer(python, note, SENTINEL.study_instance_uid, node)
