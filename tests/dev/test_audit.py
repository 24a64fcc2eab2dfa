"""The audit: a finding fails, the one named exception does not, and what could not be looked up is told."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from dev import audit
from dev.bootstrap import REQUIREMENTS
from dev.console import SetupError
from dev.orthanc_folder import EXTRAS


def package(name: str, *advisories: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"name": name, "version": "1.0", "vulns": list(advisories)}


def advisory(identifier: str, *aliases: str) -> Mapping[str, Any]:
    return {"id": identifier, "aliases": list(aliases), "fix_versions": ["2.0"]}


EXCEPTED = package("diskcache", advisory("GHSA-w8v5", "CVE-2025-69872"))


@pytest.mark.parametrize(
    ("dependencies", "found"),
    [
        ([], []),
        ([package("numpy")], []),
        ([EXCEPTED], []),
        ([package("diskcache", advisory("CVE-2025-69872"))], []),
        ([package("diskcache", advisory("CVE-2030-1"))], ["diskcache 1.0: CVE-2030-1, fixed in 2.0"]),
        ([package("numpy", advisory("CVE-2025-69872"))], ["numpy 1.0: CVE-2025-69872, fixed in 2.0"]),
        ([{"name": "numpy", "skip_reason": "not found"}], []),
    ],
)
def test_only_the_named_exception_is_let_through(dependencies: list[Mapping[str, Any]], found: list[str]) -> None:
    assert audit.findings(dependencies) == found


def answer(monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    done = subprocess.CompletedProcess([], 1, output, "no route to host\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)


@pytest.mark.parametrize(
    ("output", "warned"),
    [
        (json.dumps({"dependencies": [EXCEPTED]}), None),
        (json.dumps({"dependencies": [{"name": "numpy", "skip_reason": "not found"}]}), "1 package: numpy"),
        ("", "6 packages: archive.txt, cli.txt, cluster.txt, dev.txt, otel.txt"),
        ("Traceback", "6 packages: archive.txt, cli.txt, cluster.txt, dev.txt, otel.txt"),
    ],
)
def test_what_is_not_reached_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], output: str, warned: str | None
) -> None:
    answer(monkeypatch, output)
    audit.main()
    told = capsys.readouterr().out
    assert "Audited" in told
    assert ("WARNING" in told, (warned or "") in told) == (warned is not None, True)


def test_everything_that_a_server_installs_is_looked_at() -> None:
    assert {"plugin.txt", "cli.txt", *(f"{extra}.txt" for extra in EXTRAS)} <= set(audit.LOCKS)
    assert all((REQUIREMENTS / lock).is_file() for lock in audit.LOCKS)


def test_a_finding_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, json.dumps({"dependencies": [package("numpy", advisory("CVE-2030-1"))]}))
    with pytest.raises(SetupError, match=r"numpy 1\.0: CVE-2030-1"):
        audit.main()
