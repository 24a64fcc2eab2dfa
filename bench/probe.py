"""What is measured: a name, and a function that measures one subject in a laboratory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bench.figure import Figure
from bench.lab import Lab
from bench.subject import Subject

Measure = Callable[[Lab, Subject], Figure]


@dataclass(frozen=True)
class Probe:
    """Equal by their names. `measure` raises NotAvailable or LoadFailed where there is nothing to compare."""

    name: str
    measure: Measure = field(compare=False)
