"""The drawing of the layers is that of the code, and modules import from where they may."""

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


def test_no_module_of_tests_imports_from_another() -> None:
    """What tests share is in a module that has none: whoever changes a test changes that one alone."""
    modules = [*CHECKOUT.glob("tests/**/*.py"), *CHECKOUT.glob("bench/**/*.py")]
    imported = {path.name: re.findall(r"(?m)^(?:from|import) tests\S*\.test_\w+", path.read_text()) for path in modules}
    assert {name: found for name, found in imported.items() if found} == {}
