"""Prometheus' text format, read back by a parser of its own."""

from __future__ import annotations

import pytest
from framecache.admin.prometheus import Family, Sample, histogram, named, series_name, single, text
from framecache.telemetry.histogram import Histogram
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.admin.prometheus_text import parsed


def test_each_family_has_its_help_and_type_before_its_samples() -> None:
    assert text([Family("a_total", "counter", "What it is.", single(3)), Family("b", "gauge", "B.", single(0.25))]) == (
        "# HELP a_total What it is.\n# TYPE a_total counter\na_total 3\n# HELP b B.\n# TYPE b gauge\nb 0.25\n"
    )


@given(st.text(st.characters(codec="utf-8"), max_size=20), st.floats(allow_nan=False, allow_infinity=False))
def test_whatever_a_label_holds_and_a_number_is_can_be_read_back(label: str, value: float) -> None:
    written = text([Family("a", "gauge", "A.", [Sample(value, {"version": label})])])

    assert parsed(written) == [("a", {"version": label}, value)]


def test_the_buckets_of_a_histogram_count_all_below_them() -> None:
    one = Histogram((0.5, 1.0))
    for value in (0.1, 0.7, 0.8, 5.0):
        one.add(value)
    written = text([Family("h", "histogram", "H.", list(histogram(one.reading(), {"route": "frames"})))])

    buckets = [("0.5", 1), ("1", 3), ("+Inf", 4)]
    assert parsed(written) == [
        *(("h_bucket", {"route": "frames", "le": bound}, count) for bound, count in buckets),
        ("h_sum", {"route": "frames"}, pytest.approx(6.6)),
        ("h_count", {"route": "frames"}, 4),
    ]


def test_a_series_is_named_with_its_labels() -> None:
    assert series_name(Family("a", "gauge", "A.", []), Sample(1, {"x": "y"}, "_sum")) == 'a_sum{x="y"}'


@pytest.mark.parametrize(("node", "labels"), [("", {"x": "y"}), ("a@b", {"node": "a@b", "x": "y"})])
def test_a_node_among_others_is_named_in_each_sample(node: str, labels: dict[str, str]) -> None:
    family = Family("a", "gauge", "A.", [Sample(1, {"x": "y"}), Sample(2, {})])

    assert [sample.labels for one in named([family], node) for sample in one.samples] == [
        labels,
        {name: value for name, value in labels.items() if name != "x"},
    ]
