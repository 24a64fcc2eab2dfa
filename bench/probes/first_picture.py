"""A large frame that OHIF shows while it loads: how much sooner the first picture is there, over a slow line.

OHIF decodes HTJ2K while it downloads if the answer is labelled …4.202, and after the download if it is labelled …4.201.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page, Playwright, sync_playwright

from bench.client import NotAvailable
from bench.figure import Figure, percentile
from bench.lab import Lab
from bench.network import AT_HOME
from bench.probe import Probe
from bench.probes.pictures import seconds_to_first, watched_page
from bench.probes.viewer import FIRST_REQUEST, refuse_without_viewer
from bench.subject import Subject
from dev.console import say
from dev.sample import Sample
from dev.upload import Instance, upload, wait_for_frames
from tests.viewer.ohif import chromium_with_profile

PAIRS = 5
REACHED_BY = 80  # per cent of the openings
PATIENCE = 120.0  # seconds
# What is stored uncompressed is sent as .202, what is stored as .201 as it is.
RPCL, PLAIN = (
    Sample(frames=1, rows=2457, columns=1890, seed=1),
    Sample(frames=1, rows=2457, columns=1890, encoding="htj2k", seed=2),
)
WARM_UP = Sample(frames=1, rows=512, columns=512, seed=3)


def times_sooner() -> Probe:
    """How many times sooner four of five openings show a recognisable picture as .202 than as .201, opened in turn."""
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
    """The factor that four of five openings reach against the one beside them; the median is of the first ones."""
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
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        chromium_with_profile(playwright, Path(profile)) as browser,
    ):
        page = watched_page(browser)
        _go(page, url, warm_up)
        AT_HOME.slow_down(page)
        return _go(page, url, instance)


def _go(page: Page, url: str, instance: Instance) -> float:
    """Open it, and wait until all of its frame is shown."""
    page.goto(f"{url}/ohif/viewer?StudyInstanceUIDs={instance.study_instance_uid}")
    return seconds_to_first(page, PATIENCE) - float(page.evaluate(FIRST_REQUEST)) / 1000
