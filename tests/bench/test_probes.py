"""What makes a measurement unavailable, and what is measured once only."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from bench.client import NotAvailable
from bench.figure import Figure
from bench.lab import Lab
from bench.probes.first_picture import of_pairs
from bench.probes.pictures import Picture, first_recognisable
from bench.probes.scale import HIT, MEMORY, START_UP, Scale
from bench.probes.viewer import refuse_strangers
from bench.subject import FRAMECACHE, FRAMECACHE_VIEWER, STOCK_VIEWER, Subject

FIGURES = {name: Figure(number, "s") for number, name in enumerate((START_UP, MEMORY, HIT), 1)}


@pytest.fixture
def lab() -> Any:
    return Mock(spec=Lab, suite="forky")


def test_the_three_figures_of_a_filled_cache_are_measured_at_once(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scale, measured = Scale("many"), Mock(return_value=FIGURES)
    monkeypatch.setattr(scale, "_measure", measured)

    assert [scale.probe(name).measure(lab, FRAMECACHE).value for name in (START_UP, MEMORY, HIT)] == [1, 2, 3]
    measured.assert_called_once()


def test_what_could_not_be_filled_is_not_tried_again(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scale, measured = Scale("many"), Mock(side_effect=NotAvailable("not cached in time"))
    monkeypatch.setattr(scale, "_measure", measured)

    for name in (START_UP, MEMORY, HIT):
        with pytest.raises(NotAvailable, match="in time"):
            scale.probe(name).measure(lab, FRAMECACHE)
    measured.assert_called_once()


@pytest.mark.parametrize(
    ("subject", "outcomes"), [(FRAMECACHE_VIEWER, ["miss", None, "hit"]), (STOCK_VIEWER, [None, None])]
)
def test_the_viewer_got_its_frames_from_whom_is_measured(subject: Subject, outcomes: list[str | None]) -> None:
    refuse_strangers(subject, outcomes)


@pytest.mark.parametrize(
    ("subject", "outcomes"), [(FRAMECACHE_VIEWER, [None]), (STOCK_VIEWER, [None, "hit"]), (STOCK_VIEWER, [])]
)
def test_frames_of_another_one_are_refused(subject: Subject, outcomes: list[str | None]) -> None:
    with pytest.raises(NotAvailable):
        refuse_strangers(subject, outcomes)


def test_the_first_picture_is_the_first_that_is_like_the_last() -> None:
    black, noise, coarse, final = ([0] * 4, [9, 1, 9, 1], [1, 2, 8, 9], [0, 3, 7, 9])
    shown = [Picture(time=time, grey=grey) for time, grey in enumerate((black, noise, coarse, final))]

    assert first_recognisable(shown) == 2


@pytest.mark.parametrize("shown", [[], [Picture(time=1, grey=[0] * 4)]])
def test_a_viewport_that_stays_black_gives_no_figure(shown: list[Picture]) -> None:
    with pytest.raises(NotAvailable):
        first_recognisable(shown)


def test_eight_of_ten_openings_are_so_many_times_sooner() -> None:
    figure = of_pairs([(1, times) for times in (1, 1.5, 2, 2, 2, 3, 3, 3, 3, 4)])

    assert (figure.value, figure.median) == (2, 1)
