"""Load by wrk: many requests over several connections, counted by a program that is not the bottleneck."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.tools import Tools

SCRIPT = Path(__file__).with_name("load.lua")
MOST_THREADS = 2
# As OHIF asks: the stored transfer syntax, in a multipart body.
ACCEPT = "multipart/related; type=application/octet-stream; transfer-syntax=*"
LONGEST_ANSWER_SECONDS = 60


class LoadFailed(Exception):
    """wrk did not run, or not one request ended."""


@dataclass(frozen=True)
class Load:
    """What wrk counted; latencies in seconds, `bytes` with headers."""

    requests: int
    seconds: float
    bytes: int
    errors: int
    median: float
    p99: float
    maximum: float

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.seconds

    @property
    def bytes_per_request(self) -> float:
        return self.bytes / self.requests


def parse(output: str) -> Load:
    """The figures that load.lua printed behind wrk's own. Raises LoadFailed."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise LoadFailed(f"wrk printed no figures: {output.strip()[-200:]}")
    told = json.loads(lines[-1])
    if not told["requests"]:
        raise LoadFailed("not one request ended in time")
    return Load(
        requests=told["requests"],
        seconds=told["microseconds"] / 1e6,
        bytes=told["bytes"],
        errors=told["failed"] + told["refused"] + told["timeouts"],
        median=told["median"] / 1e6,
        p99=told["p99"] / 1e6,
        maximum=told["maximum"] / 1e6,
    )


def load(tools: Tools, url: str, paths: Sequence[str], *, connections: int, seconds: int) -> Load:
    """Ask `url` for `paths` in turn over so many connections, for so many seconds. Raises LoadFailed."""
    with tempfile.NamedTemporaryFile("w", suffix=".paths") as listing:
        listing.write("\n".join(paths))
        listing.flush()
        options = [f"-t{min(MOST_THREADS, connections)}", f"-c{connections}", f"-d{seconds}s"]
        patience = [f"--timeout={LONGEST_ANSWER_SECONDS}s", f"-HAccept: {ACCEPT}", f"-s{SCRIPT}"]
        command = tools.command("usr/bin/wrk", *options, *patience, url, "--", listing.name)
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=seconds + 2 * LONGEST_ANSWER_SECONDS
        )
    return parse(done.stdout + done.stderr)
