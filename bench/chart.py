"""The ratios as bars from 1, better to the right, with what is wanted marked on each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch

from bench.report import Line, number
from bench.wanted import Rule

COMPARED = (Rule.TIMES_AS_MANY, Rule.TIMES_FASTER)
GOOD, EVEN, BAD = "#2a7f4f", "#8a8a8a", "#b5522b"
COLOURS = {"reached": GOOD, "better": GOOD, "as good": EVEN}
MEANINGS = {GOOD: "reached, or better", EVEN: "as good", BAD: "missed, or the other is better"}


def draw(lines: Sequence[Line], path: Path, subtitle: str) -> None:
    """Write an SVG of the rows that say how many times better the subject is; equal lines make equal files."""
    drawn = [line for line in lines if line.row.wanted.rule in COMPARED and line.ratio]
    canvas = Canvas(figsize=(12, 1.5 + 0.3 * len(drawn)), layout="constrained")
    axes = canvas.add_subplot()
    axes.set_xscale("log")
    for place, line in enumerate(drawn):
        _bar(axes, place, line)
    axes.axvline(1, color="black", linewidth=0.5)
    axes.set_yticks(range(len(drawn)), [_name(line) for line in drawn], fontsize=6)
    axes.set_ylim(len(drawn) - 0.4, -0.6)
    axes.margins(x=0.08)
    axes.xaxis.set_major_formatter(lambda ratio, _: f"{ratio:,g}")
    axes.tick_params(top=True, labeltop=True)
    axes.set_xlabel("times better than the other (logarithmic)")
    axes.set_title(f"framecache against others, synthetic data\n{subtitle}", fontsize=9)
    marks = axes.scatter([], [], marker="|", s=120, color="black", label="goal")
    patches = [Patch(color=colour, label=meaning) for colour, meaning in MEANINGS.items()]
    canvas.legend(handles=[*patches, marks], loc="outside lower right", ncols=4, fontsize=7)
    with mpl.rc_context({"svg.hashsalt": "framecache", "svg.fonttype": "none"}):
        canvas.savefig(path, format="svg", metadata={"Date": None})


def _bar(axes: Axes, place: int, line: Line) -> None:
    """From 1, where both are the same; a bar from the axis' left end would look long whatever it says."""
    ratio, bound = line.ratio or 1.0, line.row.wanted.bound
    axes.barh(place, ratio - 1, left=1, color=COLOURS.get(line.verdict, BAD))
    if bound:
        axes.scatter(bound, place, marker="|", s=120, color="black", zorder=3)
    side, gap, end = ("left", 5, max(ratio, bound or 0)) if ratio >= 1 else ("right", -3, ratio)
    axes.annotate(number(ratio), (end, place), (gap, 0), textcoords="offset points", ha=side, va="center", fontsize=6)


def _name(line: Line) -> str:
    row = line.row
    return f"{row.what}\n{row.subject.name} against {row.peer.name if row.peer else ''}, {line.suite}"
