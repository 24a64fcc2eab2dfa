"""OHIF over a slow line: `python -m bench.slow_line`, the stock plugin and the cache with and without `Transcode`.

Chromium itself slows the line down (100 Mbit/s and 20 ms unless told otherwise).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Playwright, sync_playwright
from rich.console import Console
from rich.table import Table

from bench.network import OFFICE, Network
from dev.console import CHECKOUT
from dev.ohif import make_viewer
from dev.orthanc_server import OrthancServer
from dev.sample import Sample
from dev.upload import upload, wait_for_frames
from tests.viewer.ohif import Ohif, chromium_with_profile

PATIENCE = 600.0  # seconds
SUBJECTS: Mapping[str, Mapping[str, object]] = {
    "stock plugin": {"Enable": False},
    "cache, as stored": {},
    "cache, Transcode": {"Transcode": [{}]},
}


@dataclass(frozen=True, slots=True)
class Opening:
    """One opening of the study: seconds from the first frame request to the first and the last answer's end."""

    subject: str
    first: float
    last: float
    megabytes: float


def measure(playwright: Playwright, network: Network, subject: str, suite: str, sample: Path, frames: int) -> Opening:
    """Open the study once in a new browser, with all its frames cached where there is a cache."""
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder), suite, SUBJECTS[subject]) as server:
        [instance] = upload(server.url, sample)
        if SUBJECTS[subject].get("Enable", True):
            wait_for_frames(server.url, instance, lambda _: None)
        with chromium_with_profile(playwright, Path(folder) / "profile") as browser:
            page = browser.new_page()
            network.slow_down(page)
            ohif = Ohif(page)
            page.set_default_timeout(PATIENCE * 1000)
            ohif.open(server.url, instance)
            wait_for_all(ohif, frames)
            answers = ohif.traffic.frames
            start = min(answer.started for answer in answers)
            ends = [answer.ended or 0.0 for answer in answers]
            received = sum(answer.received for answer in answers) / 1e6
            return Opening(subject, min(ends) - start, max(ends) - start, received)


@contextmanager
def serve(folder: Path, suite: str, settings: Mapping[str, object]) -> Iterator[OrthancServer]:
    configuration = json.loads((CHECKOUT / "orthanc.json").read_text())
    configuration["PythonScript"] = str(CHECKOUT / "dev/viewer_script.py")
    configuration["FrameCache"] = dict(settings)
    with OrthancServer(suite, folder / "orthanc", configuration) as server:
        yield server


def wait_for_all(ohif: Ohif, frames: int) -> None:
    """OHIF fetches ahead what it does not show yet."""
    waited = 0.0
    while len({answer.frame_number for answer in ohif.traffic.frames}) < frames:
        ohif.page.wait_for_timeout(200)
        waited += 0.2
        if waited > PATIENCE:
            raise TimeoutError(f"{len(ohif.traffic.frames)} of {frames} frames came")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.slow_line", description=__doc__)
    parser.add_argument("--suite", default="forky")
    parser.add_argument("--frames", type=int, default=69)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--megabits", type=float, default=OFFICE.megabits_per_second, help="a second, of the line")
    parser.add_argument("--latency", type=float, default=OFFICE.latency_ms, help="of the line, in ms")
    options = parser.parse_args()
    network = Network(options.megabits, options.latency)
    make_viewer()
    table = Table("subject", "first frame, s", "last frame, s", "MB", title=f"{options.frames} frames, {options.suite}")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        sample = Sample(frames=options.frames, rows=2457, columns=1890).write(Path(folder) / "sample.dcm")
        for _ in range(options.rounds):
            for subject in SUBJECTS:
                opening = measure(playwright, network, subject, options.suite, sample, options.frames)
                table.add_row(subject, f"{opening.first:.1f}", f"{opening.last:.1f}", f"{opening.megabytes:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
