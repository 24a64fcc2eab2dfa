"""Prometheus' text format, version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from framecache.telemetry.histogram import Reading

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Sample:
    """One number. `suffix` follows the family's name, as _bucket does."""

    value: float
    labels: Mapping[str, str]
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """Numbers of one name, and what they are."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    samples: Sequence[Sample]


def single(value: float) -> list[Sample]:
    """A number without labels."""
    return [Sample(value, {})]


def histogram(reading: Reading, labels: Mapping[str, str]) -> Iterator[Sample]:
    """A histogram's samples: each bucket counts all up to its bound."""
    bounds = [*map(_number, reading.bounds), "+Inf"]
    for bound, count in zip(bounds, accumulate(reading.counts), strict=True):
        yield Sample(count, {**labels, "le": bound}, "_bucket")
    yield Sample(reading.total, labels, "_sum")
    yield Sample(reading.count, labels, "_count")


def text(families: Iterable[Family]) -> str:
    """All of it, as a scrape reads it."""
    return "".join(line + "\n" for family in families for line in _lines(family))


def series_name(family: Family, sample: Sample) -> str:
    """The name of a sample with its labels."""
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels.items())
    return f"{family.name}{sample.suffix}{{{labels}}}" if labels else f"{family.name}{sample.suffix}"


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.meaning}"
    yield f"# TYPE {family.name} {family.kind}"
    for sample in family.samples:
        yield f"{series_name(family, sample)} {_number(sample.value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
