"""What the benchmark ran on."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from bench.tools import Tools
from dev.console import CHECKOUT
from dev.orthanc_folder import orthanc_folder

GIGABYTE = 1e9


def machine(folder: Path) -> dict[str, str]:
    """Processor, memory, kernel, and the kind of disk under `folder`."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "Processor": _processor(),
        "Cores": str(os.cpu_count()),
        "Memory": f"{memory / GIGABYTE:.0f} GB",
        "Kernel": platform.release(),
        "System": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
        "Disk": _disk(folder),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _disk(folder: Path) -> str:
    """File system and device, and whether the device says that it rotates."""
    device = os.stat(folder).st_dev
    block = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    rotational = next(
        (up / "queue/rotational" for up in (block, block.parent) if (up / "queue/rotational").exists()), None
    )
    kind = (
        {"0": "solid state", "1": "says that it rotates"}.get(rotational.read_text().strip(), "") if rotational else ""
    )
    return ", ".join(part for part in (_file_system(device), block.name, kind) if part)


def _file_system(device: int) -> str:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        if left.split()[2] == f"{os.major(device)}:{os.minor(device)}":
            return right.split()[0]
    return ""


def versions(suites: list[str], tools: Tools) -> dict[str, str]:
    """Of all that was measured."""
    found = {f"Orthanc of {suite}": _orthanc(suite) for suite in suites}
    return {"framecache": _revision(), **found, **tools.versions}


def _orthanc(suite: str) -> str:
    folder = orthanc_folder(suite)
    names = ("orthanc", "orthanc-dicomweb", "orthanc-python")
    changelogs = [folder.root / f"usr/share/doc/{name}/changelog.Debian.gz" for name in names]
    return ", ".join(f"{name} {_version(path)}" for name, path in zip(names, changelogs, strict=True))


def _version(changelog: Path) -> str:
    done = subprocess.run(["zcat", str(changelog)], capture_output=True, text=True, check=False)
    return done.stdout.partition("(")[2].partition(")")[0] or "?"


def _revision() -> str:
    """The commit that last changed the plugin, and whether it was changed since."""
    found, changed = (
        _git(*words, "--", "plugin", "orthanc.json")
        for words in (("log", "-1", "--format=%h"), ("status", "--porcelain"))
    )
    return f"{found}{'-dirty' if changed else ''}" if found else "unknown revision"


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(CHECKOUT), *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()
