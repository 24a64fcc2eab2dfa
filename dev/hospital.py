"""A synthetic month of a hospital: which studies arrive when, and who opens which of them. No file is made.

What is opened is estimated, not measured: a site replaces the constants by its own figures.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

MB = 10**6


@dataclass(frozen=True, slots=True)
class Modality:
    """What one of its studies consists of, and its share of all studies."""

    name: str
    instances: int
    instance_bytes: int
    share: float


# 199 MB: a view of the benchmark's tomosynthesis, JPEG 2000 lossless (docs/sizing.md). The others are estimates.
MODALITIES = (
    Modality("MG", 4, 199 * MB, 0.20),
    Modality("US", 8, 30 * MB, 0.40),
    Modality("XA", 12, 40 * MB, 0.15),
    Modality("CT", 3, 250 * MB, 0.25),
)


class Study(NamedTuple):
    """A study by its number, and the patient's earlier ones that are opened beside it, newest first."""

    number: int
    modality: Modality
    priors: tuple[Study, ...] = ()


class Event(NamedTuple):
    """A study arrives, or `reader` opens it; `day` counts from midnight of the month's first Monday."""

    day: float
    study: Study
    reader: int | None = None


@dataclass(frozen=True, slots=True)
class Hospital:
    """How much arrives on a working day, and by how many it is read."""

    studies_per_day: int
    readers: int
    days: int = 30
    seed: int = 1


_OPENS, _CLOSES = 8 / 24, 18 / 24
_WEEKEND_SHARE = 0.2
# Of the patients, those who were there in this month already, and those who were there before it.
_RETURNS, _KNOWN = 0.15, 0.5
_PRIORS = 2
# Days until the report, and until each later opening (second reading, clinicians, meetings).
_REPORT_DAYS, _LATER_DAYS, _LATER_OPENINGS = 0.1, 2.5, (0, 0, 1, 1, 2, 4)


def month(hospital: Hospital) -> Iterator[Event]:
    """All arrivals and openings, in the order of time; the same seed makes the same month."""
    chance, patients = random.Random(hospital.seed), _Patients(random.Random(hospital.seed + 1))  # noqa: S311
    later, ticket = list[tuple[float, int, Event]](), itertools.count()
    for moment in _arrivals(hospital, chance):
        while later and later[0][0] <= moment:
            yield heapq.heappop(later)[2]
        study = patients.next_study()
        yield Event(moment, study)
        for event in _openings(study, moment, hospital, chance):
            heapq.heappush(later, (event.day, next(ticket), event))
    yield from (heapq.heappop(later)[2] for _ in range(len(later)))


def _arrivals(hospital: Hospital, chance: random.Random) -> Iterator[float]:
    for day in range(hospital.days):
        count = round(hospital.studies_per_day * (_WEEKEND_SHARE if _is_weekend(day) else 1))
        yield from sorted(day + chance.uniform(_OPENS, _CLOSES) for _ in range(count))


def _openings(study: Study, moment: float, hospital: Hospital, chance: random.Random) -> Iterator[Event]:
    """The report, with the priors, and what follows, without them; nothing after the month's end."""
    report = working_time(moment + chance.expovariate(1 / _REPORT_DAYS))
    later = [working_time(report + chance.expovariate(1 / _LATER_DAYS)) for _ in range(chance.choice(_LATER_OPENINGS))]
    reader = chance.randrange(hospital.readers)
    opened = [Event(report, one, reader) for one in (study, *study.priors)]
    opened += [Event(day, study, chance.randrange(hospital.readers)) for day in later]
    return (event for event in opened if event.day < hospital.days)


def working_time(moment: float) -> float:
    """The same moment if somebody works then, else one in the first two hours of the next working day."""
    day, time = divmod(moment, 1)
    if _OPENS <= time <= _CLOSES and not _is_weekend(int(day)):
        return moment
    day += time > _CLOSES
    while _is_weekend(int(day)):
        day += 1
    return day + _OPENS + time / 12


def _is_weekend(day: int) -> bool:
    return day % 7 >= 5  # noqa: PLR2004 - Saturday


class _Patients:
    """Who comes: new patients, and some who came before."""

    def __init__(self, chance: random.Random) -> None:
        self._chance, self._number, self._histories = chance, 0, list[list[Study]]()

    def next_study(self) -> Study:
        """The next one, of whatever patient; a patient comes back for the same modality."""
        history = self._patient()
        modality = history[0].modality if history else self._modality()
        study = self._study(modality, tuple(history[-_PRIORS:][::-1]))
        history.append(study._replace(priors=()))
        return study

    def _patient(self) -> list[Study]:
        if self._histories and self._chance.random() < _RETURNS:
            return self._chance.choice(self._histories)
        modality = self._modality()
        known = self._chance.randint(1, 3) if self._chance.random() < _KNOWN else 0
        self._histories.append([self._study(modality) for _ in range(known)])
        return self._histories[-1]

    def _modality(self) -> Modality:
        return self._chance.choices(MODALITIES, [one.share for one in MODALITIES])[0]

    def _study(self, modality: Modality, priors: tuple[Study, ...] = ()) -> Study:
        self._number += 1
        return Study(self._number, modality, priors)
