"""A large frame that OHIF shows while it loads: how much sooner the first picture is there, over a slow line.

OHIF decodes HTJ2K while it downloads if the answer is labelled …4.202, and after the download if it is labelled …4.201.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from playwright.sync_api import BrowserContext, Page, Playwright, sync_playwright
from playwright.sync_api import Error as BrowserError

from bench.client import NotAvailable
from bench.figure import Figure, percentile
from bench.lab import Lab
from bench.network import AT_HOME
from bench.probe import Probe
from bench.probes.viewer import FIRST_REQUEST, KEEP_ALL, refuse_without_viewer
from bench.subject import Subject
from dev.console import say
from dev.sample import Sample
from dev.upload import Instance, upload, wait_for_frames
from tests.viewer.ohif import chromium_with_profile

PAIRS = 10
REACHED_BY = 80  # per cent of the openings
ALIKE = 0.9  # correlation with the finished picture from which on a picture is recognisable
PATIENCE = 120.0  # seconds
PICTURES = Path(__file__).parent.parent / "pictures.js"
# What is stored uncompressed is sent as .202, what is stored as .201 as it is.
RPCL, PLAIN = (
    Sample(frames=1, rows=2457, columns=1890, seed=1),
    Sample(frames=1, rows=2457, columns=1890, encoding="htj2k", seed=2),
)
WARM_UP = Sample(frames=1, rows=512, columns=512, seed=3)
# The viewport's picture is final once the frame was decoded as a whole, after its download.
FINISHED = """() => performance.getEntriesByType('resource')
    .some(entry => entry.name.includes('/frames/') && entry.responseEnd)
    && window.pictures.some(picture => picture.grey.some(value => value))"""
SETTLE_MS = 3000


class Picture(TypedDict):
    """What the viewport showed from `time` on, in ms: 64 × 64 grey values."""

    time: float
    grey: list[int]


def times_sooner() -> Probe:
    """How many times sooner 8 of 10 openings show a recognisable picture as .202 than as .201, opened in turn."""
    return Probe("first picture in OHIF, HTJ2K while it loads", _measure)


def _measure(lab: Lab, subject: Subject) -> Figure:
    refuse_without_viewer()
    with lab.new_server(subject) as server, sync_playwright() as playwright:
        warm_up, rpcl, plain = (_cached(server.url, sample, lab.places.temporary) for sample in (WARM_UP, RPCL, PLAIN))
        try:
            pairs = [
                tuple(_open(playwright, server.url, warm_up, instance) for instance in (rpcl, plain))
                for _ in range(PAIRS)
            ]
        except BrowserError as error:
            raise NotAvailable(f"the browser: {str(error).splitlines()[0]}") from None
    say("first pictures as .202 and .201, seconds: " + ", ".join(f"{one:.2f} {other:.2f}" for one, other in pairs))
    return of_pairs([(one, other) for one, other in pairs])


def of_pairs(pairs: Sequence[tuple[float, float]]) -> Figure:
    """The factor that 8 of 10 openings reach against the one beside them; the median is of the first ones."""
    times = [other / one for one, other in pairs]
    first = [one for one, _ in pairs]
    reached = percentile(times, 100 - REACHED_BY + 100 / len(times))
    return Figure(reached, "×", statistics.median(first), max(first), raw={"seconds": list(pairs)})


def _cached(url: str, sample: Sample, folder: Path) -> Instance:
    folder.mkdir(parents=True, exist_ok=True)
    [instance] = upload(url, sample.write(folder / "sample.dcm"))
    wait_for_frames(url, instance, lambda _: None)
    return instance


def _open(playwright: Playwright, url: str, warm_up: Instance, instance: Instance) -> float:
    """Seconds from the frame request to a recognisable picture, in a new browser that knows the viewer's own files."""
    with (
        tempfile.TemporaryDirectory() as profile,
        chromium_with_profile(playwright, Path(profile)) as browser,
    ):
        page = _prepared(browser)
        _go(page, url, warm_up)
        AT_HOME.slow_down(page)
        _go(page, url, instance)
        pictures: list[Picture] = page.evaluate("window.pictures")
        return (first_recognisable(pictures) - float(page.evaluate(FIRST_REQUEST))) / 1000


def _prepared(browser: BrowserContext) -> Page:
    browser.add_init_script(KEEP_ALL)
    browser.add_init_script(path=PICTURES)
    return browser.new_page()


def _go(page: Page, url: str, instance: Instance) -> None:
    """Return when the viewport shows all of the frame."""
    page.goto(f"{url}/ohif/viewer?StudyInstanceUIDs={instance.study_instance_uid}")
    page.wait_for_function(FINISHED, timeout=PATIENCE * 1000)
    page.wait_for_timeout(SETTLE_MS)


def first_recognisable(pictures: Sequence[Picture]) -> float:
    """When the first one was shown that is like the last, in ms. Raises NotAvailable if the viewport stays black."""
    final = pictures[-1]["grey"] if pictures else []
    for picture in pictures:
        if len(set(picture["grey"])) > 1 and statistics.correlation(picture["grey"], final) >= ALIKE:
            return picture["time"]
    raise NotAvailable("the viewport shows no picture")
