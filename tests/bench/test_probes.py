"""What makes a measurement unavailable, and what is measured once only."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from bench.client import NotAvailable
from bench.figure import Figure
from bench.lab import Lab
from bench.probes.scale import HIT, MEMORY, START_UP, Scale
from bench.probes.viewer import refuse_strangers
from bench.subject import FRAMECACHE, FRAMECACHE_VIEWER, STOCK_VIEWER, Subject

FIGURES = {name: Figure(number, "s") for number, name in enumerate((START_UP, MEMORY, HIT), 1)}


@pytest.fixture
def lab() -> Any:
    return Mock(spec=Lab, archive=Mock(suite="forky", folder=Path("/")))


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
