"""`make audit`: are there known advisories about what requirements/*.txt pins?

A finding fails. What could not be looked up, because the advisory database is not reached or does not know the package,
is told in one line and fails nothing: a build must not depend on another server being up.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dev.bootstrap import PYTHON, REQUIREMENTS
from dev.console import SetupError, exit_code, say

# What servers and workers install, and the tools; clients.txt and s3.txt only ever run in tests, against this machine.
LOCKS = ("plugin.txt", "archive.txt", "cluster.txt", "otel.txt", "cli.txt", "dev.txt")
# diskcache unpickles values that it has pickled (CVE-2025-69872). The plugin's Disk refuses both, and
# tests/unit/store/disk/test_block_disk.py proves that no pickle is written or read.
EXCEPTIONS: Mapping[str, str] = {"CVE-2025-69872": "diskcache"}
_SECONDS = 300.0


def audit(lock: Path) -> list[Mapping[str, Any]]:
    """What pip-audit says of each pinned package, the lock's own hashes required."""
    options = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json", "--aliases", "on"]
    command = [str(PYTHON), "-m", "pip_audit", *options, "--requirement", str(lock)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
        dependencies: list[Mapping[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return [{"name": lock.name, "skip_reason": "pip-audit reached nobody"}]
    return dependencies


def findings(dependencies: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line for each advisory that is no named exception."""
    return [
        f"{one['name']} {one['version']}: {advisory['id']}, fixed in {', '.join(advisory['fix_versions']) or 'none'}"
        for one in dependencies
        for advisory in one.get("vulns", [])
        if not _is_excepted(one["name"], {advisory["id"], *advisory.get("aliases", [])})
    ]


def _is_excepted(name: str, names_of_advisory: Iterable[str]) -> bool:
    return any(EXCEPTIONS.get(advisory) == name for advisory in names_of_advisory)


def not_audited(dependencies: Iterable[Mapping[str, Any]]) -> list[str]:
    """The packages that nothing could be found out about."""
    return sorted({str(one["name"]) for one in dependencies if "skip_reason" in one})


def main() -> None:
    dependencies = [one for lock in LOCKS for one in audit(REQUIREMENTS / lock)]
    unknown, found = not_audited(dependencies), sorted(set(findings(dependencies)))
    if unknown:
        number = f"{len(unknown)} package{'' if len(unknown) == 1 else 's'}"
        say(f"WARNING: no advisories could be looked up for {number}: {', '.join(unknown[:5])}")
    if found:
        raise SetupError("known advisories: " + "; ".join(found))
    known = len({one["name"] for one in dependencies}) - len(unknown)
    say(f"Audited {known} packages, no finding; named exceptions: {', '.join(EXCEPTIONS)}")


if __name__ == "__main__":
    sys.exit(exit_code(main))
