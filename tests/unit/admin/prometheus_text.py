"""A parser of Prometheus' text format."""

from __future__ import annotations

import re

_LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)')
_ESCAPE = re.compile(r"\\.")
_LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')


def _unescaped(escape: re.Match[str]) -> str:
    return {"\\\\": "\\", '\\"': '"', "\\n": "\n"}[escape[0]]


def parsed(written: str) -> list[tuple[str, dict[str, str], float]]:
    """The samples; lines that are none have to be comments."""
    samples = []
    for line in written.removesuffix("\n").split("\n"):
        if line.startswith("# "):
            continue
        found = _LINE.fullmatch(line)
        assert found, line
        labels = {name: _ESCAPE.sub(_unescaped, value) for name, value in _LABEL.findall(found[2] or "")}
        samples.append((found[1], labels, float(found[3])))
    return samples
