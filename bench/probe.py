"""What is measured: a name, and a function that measures one subject in a laboratory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.client import NotAvailable
from bench.figure import Figure
from bench.lab import Lab
from bench.subject import Subject

Measure = Callable[[Lab, Subject], Figure]


@dataclass(frozen=True)
class Probe:
    """Equal by their names. `measure` raises NotAvailable or LoadFailed where there is nothing to compare.

    With `patience`, rounds may take so many times as long: what is compared is nearly equal.
    """

    name: str
    measure: Measure = field(compare=False)
    patience: int = field(default=1, compare=False)


class Together(ABC):
    """Several probes of one data set that are measured at once, as what comes before them takes long."""

    _kind = ""  # tells those of one name apart

    def __init__(self, data_set: str) -> None:
        self._data_set = data_set
        self._measured: dict[tuple[str, str], Mapping[str, Figure] | NotAvailable] = {}

    def probe(self, name: str) -> Probe:
        """The one of this name."""

        def measure(lab: Lab, subject: Subject) -> Figure:
            return self._once(lab, subject)[name]

        return Probe(f"{name}, {self._kind}{self._data_set}", measure)

    def _once(self, lab: Lab, subject: Subject) -> Mapping[str, Figure]:
        """What was measured; what failed is not tried again."""
        key = lab.suite, subject.name
        if key not in self._measured:
            try:
                self._measured[key] = self._measure(lab, subject)
            except NotAvailable as error:
                self._measured[key] = error
        measured = self._measured[key]
        if isinstance(measured, NotAvailable):
            raise measured
        return measured

    @abstractmethod
    def _measure(self, lab: Lab, subject: Subject) -> Mapping[str, Figure]:
        """All of them, by their names."""
