"""The ratios as bars, with what is wanted marked on each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from bench.report import Line
from bench.wanted import Rule

COMPARED = (Rule.TIMES_AS_MANY, Rule.TIMES_FASTER)
COLOURS = {"reached": "#2a7f4f", "better": "#2a7f4f", "as good": "#8a8a8a"}
OTHERWISE = "#b5522b"


def draw(lines: Sequence[Line], path: Path, subtitle: str) -> None:
    """Write an SVG of the rows that say how many times better the subject is; equal lines make equal files."""
    drawn = [line for line in lines if line.row.wanted.rule in COMPARED and line.ratio]
    canvas = Canvas(figsize=(12, 1.5 + 0.3 * len(drawn)), layout="constrained")
    axes = canvas.add_subplot()
    names = [f"{line.row.what}\nagainst {line.row.peer.name if line.row.peer else ''}, {line.suite}" for line in drawn]
    places = range(len(drawn))
    axes.barh(
        places, [line.ratio or 0.0 for line in drawn], color=[COLOURS.get(line.verdict, OTHERWISE) for line in drawn]
    )
    bounds = [(place, line.row.wanted.bound) for place, line in enumerate(drawn) if line.row.wanted.bound]
    axes.scatter(
        [bound for _, bound in bounds], [place for place, _ in bounds], marker="|", s=120, color="black", label="wanted"
    )
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.5)
    axes.set_yticks(places, names, fontsize=6)
    axes.invert_yaxis()
    axes.set_xlabel("times better than the other (logarithmic)")
    axes.set_title(f"framecache against others, synthetic data\n{subtitle}", fontsize=9)
    if bounds:
        axes.legend(loc="lower right", fontsize=7)
    with mpl.rc_context({"svg.hashsalt": "framecache", "svg.fonttype": "none"}):
        canvas.savefig(path, format="svg", metadata={"Date": None})
