"""The drawing of the layers is that of the code."""

from __future__ import annotations

import re
import tomllib

from dev.console import CHECKOUT

PACKAGE = CHECKOUT / "plugin/framecache"


def test_every_package_is_described_from_the_top_to_the_bottom() -> None:
    text = (CHECKOUT / "docs/how-it-works.md").read_text().partition("| package | what it is |")[2]
    described = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {*described} == packages
    configuration = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (one["layers"] for one in configuration["contracts"] if one["type"] == "layers")
    places = [one for layer in layers for one in re.findall(r"\w+", layer)]
    in_order = [places.index(name) for name in described if name in places]
    assert in_order == sorted(in_order)
