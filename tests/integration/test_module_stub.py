"""plugin/orthanc.pyi says what the real module is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.console import CHECKOUT
from tests.integration.archive import Endings, running

pytestmark = pytest.mark.orthanc

# What those say that name no number; without arguments there is nothing to complain of.
COMPLAINTS = {
    "GetConfiguration": "took nine arguments",
    "GetConfigurationPath": "took nine arguments",
    "RegisterOnChangeCallback": "ValueError Expected a callback function .*",
    "RegisterRestCallback": r"ValueError Expected a string \(URI\) and a callback function",
}
# Calls each function with nine times nothing and notes the complaint: nothing is carried out.
SCRIPT = """
import sys
sys.path.append({plugin!r})
import json
import orthanc
from framecache import install

def complaint(function):
    try:
        function(*[None] * 9)
    except Exception as error:
        return f"{{type(error).__name__}} {{error}}"
    return "took nine arguments"

def describe(names, owner):
    return {{name: complaint(getattr(owner, name)) if callable(getattr(owner, name, None)) else
             repr(getattr(owner, name, "absent")) for name in names}}

def report(output, uri, **request):
    told = {{"": describe({functions!r}, orthanc), "RestOutput": describe({methods!r}, output)}}
    told["classes"] = {{name: [hasattr(getattr(orthanc, name, None), member) for member in members]
                       for name, members in {classes!r}.items()}}
    output.AnswerBuffer(json.dumps(told), "application/json")

orthanc.RegisterRestCallback("/report", report)
install(orthanc)
"""


def functions_of(body: list[ast.stmt]) -> Iterator[ast.FunctionDef]:
    return (node for node in body if isinstance(node, ast.FunctionDef))


def members_of(node: ast.ClassDef) -> list[str]:
    fields = [one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)]
    return fields + [function.name for function in functions_of(node.body)]


def arity(function: ast.FunctionDef) -> int:
    """Arguments without `self`."""
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return len(names) - names.count("self")


@pytest.fixture(scope="module")
def stub() -> ast.Module:
    return ast.parse((CHECKOUT / "plugin/orthanc.pyi").read_text())


@pytest.fixture(scope="module")
def told(suite: str, folder: Path, stub: ast.Module, endings: Endings) -> dict[str, dict[str, Any]]:
    """What the real module says of each name of the stub."""
    classes = {node.name: members_of(node) for node in stub.body if isinstance(node, ast.ClassDef)}
    script = folder / "stub.py"
    script.write_text(
        SCRIPT.format(
            plugin=str(CHECKOUT / "plugin"),
            functions=[function.name for function in functions_of(stub.body)],
            methods=classes["RestOutput"],
            classes=classes,
        )
    )
    with running(suite, folder / "orthanc", {"PythonScript": str(script)}, endings=endings) as archive:
        report: dict[str, dict[str, Any]] = archive.get_json("/report")
        return report


def test_every_class_has_its_members(told: dict[str, dict[str, Any]]) -> None:
    assert told["classes"]
    assert all(all(members) for members in told["classes"].values()), told["classes"]


def test_every_function_takes_the_arguments_of_the_stub(told: dict[str, dict[str, Any]], stub: ast.Module) -> None:
    output = next(node for node in stub.body if isinstance(node, ast.ClassDef) and node.name == "RestOutput")
    for owner, body in (("", stub.body), ("RestOutput", output.body)):
        for function in functions_of(body):
            complaint = told[owner][function.name]
            expected = COMPLAINTS.get(function.name, f"TypeError .*[( ]{arity(function)} arguments expected.*")
            assert re.fullmatch(expected, complaint), (function.name, complaint)
