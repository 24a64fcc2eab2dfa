"""Takes the pictures of docs/images anew: `python -m tests.viewer.screenshots [MINUTES]`.

Synthetic studies are uploaded and read for some minutes, so that the page has something to show.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import requests
from playwright.sync_api import BrowserContext, Page, sync_playwright
from pydicom import dcmread

from dev.console import CHECKOUT
from dev.ohif import make_viewer
from dev.orthanc_server import OrthancServer
from dev.sample import Sample
from dev.upload import Instance, upload, wait_for_frames
from tests.viewer.ohif import Ohif, chromium_with_profile

IMAGES = CHECKOUT / "docs/images"
SUITE = "forky"
MINUTES = 5.0
SIZE = {"width": 1280, "height": 900}
AS_STORED = "multipart/related; type=application/octet-stream; transfer-syntax=*"

# The name of each study, its date, and the series in it.
STUDIES: Sequence[tuple[str, str, Sequence[Sample]]] = (
    ("Phantom^Ada", "20261126", [Sample(seed=11, frames=24), Sample(seed=11, series_number=2, frames=24)]),
    ("Phantom^Beth", "20261127", [Sample(seed=12, encoding="jpeg-2000")]),
    ("Phantom^Cleo", "20261127", [Sample(seed=13, kind="ultrasound", frames=40, rows=480, columns=640)]),
    ("Phantom^Dora", "20261128", [Sample(seed=15, series_number=one, frames=32) for one in (1, 2, 3)]),
)


def written(folder: Path) -> Iterator[Path]:
    """The files of all studies, oldest first."""
    for name, date, samples in STUDIES:
        for sample in samples:
            path = sample.write(folder / f"{sample.sop_instance_uid}.dcm")
            dataset = dcmread(path)
            dataset.PatientName, dataset.PatientID, dataset.StudyDate = name, f"PHANTOM-{sample.seed}", date
            dataset.StudyDescription = "Ultrasound" if sample.kind == "ultrasound" else "Breast tomosynthesis"
            dataset.save_as(path)
            yield path


def read(url: str, instances: Sequence[Instance], minutes: float) -> None:
    """As readers do: a study, frame by frame, then another."""
    choice, end = random.Random(0), time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        instance = choice.choice(instances)
        for frame_number in range(1, 17):
            frame = f"{url}{instance.path}/frames/{frame_number}"
            requests.get(frame, headers={"Accept": AS_STORED}, timeout=30).raise_for_status()
            time.sleep(choice.uniform(0.05, 0.3))
        requests.get(f"{url}{instance.path}/rendered", timeout=30).raise_for_status()
        time.sleep(choice.uniform(0.5, 4))


def show(browser: BrowserContext, url: str, instance: Instance) -> None:
    """OHIF at a frame in the middle, then the page."""
    ohif = Ohif(_sized(browser))
    ohif.open(url, instance)
    for frame_number in range(2, 15):
        ohif.scroll()
        ohif.wait_for_frame(frame_number)
    ohif.wait_for_traffic()
    ohif.page.wait_for_timeout(2000)
    ohif.page.screenshot(path=IMAGES / "ohif.png")
    page = _sized(browser)
    page.goto(f"{url}/frame-cache/app/")
    page.wait_for_timeout(3000)
    page.screenshot(path=IMAGES / "page.png", full_page=True)


def _sized(browser: BrowserContext) -> Page:
    page = browser.new_page()
    page.set_viewport_size(SIZE)  # type: ignore[arg-type]
    return page


def main(minutes: float) -> None:
    make_viewer()
    configuration = json.loads((CHECKOUT / "orthanc.json").read_text())
    configuration["PythonScript"] = str(CHECKOUT / "dev/viewer_script.py")
    with (
        tempfile.TemporaryDirectory() as name,
        OrthancServer(SUITE, Path(name) / "orthanc", configuration) as server,
        sync_playwright() as playwright,
        chromium_with_profile(playwright, Path(name) / "profile") as browser,
    ):
        instances = [one for path in written(Path(name)) for one in upload(server.url, path)]
        read(server.url, instances, minutes / 10)  # some frames are asked for before they are cached
        for instance in instances:
            wait_for_frames(server.url, instance, lambda _: None)
        read(server.url, instances, minutes)
        show(browser, server.url, instances[-1])


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES)
