"""OHIF in a real Chromium: what someone who opens a study waits for."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page, sync_playwright

from bench.client import NotAvailable
from bench.figure import Figure, of_seconds
from bench.lab import Lab
from bench.probe import Probe
from bench.probes.pictures import KEEP_ALL
from bench.subject import Subject
from dev.console import SetupError
from dev.ohif import make_viewer
from tests.viewer.ohif import Ohif, chromium_with_profile, find_chromium

PATIENCE = 180.0  # seconds
OPENINGS = 3
SHOWN = """number => [...document.querySelectorAll("[data-cy='study-browser-thumbnail'] img")]
    .filter(image => image.naturalWidth).length >= number && performance.now()"""
FIRST_REQUEST = """() => Math.min(...performance.getEntriesByType('resource')
    .filter(entry => entry.name.includes('/frames/')).map(entry => entry.startTime))"""


def thumbnails(data_set: str) -> Probe:
    """From the first frame request to the last thumbnail of the study; nothing cached, disk and browser cold."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        refuse_without_viewer()
        repeats = OPENINGS if subject.has_cache else lab.size.slow_repeats
        try:
            return of_seconds([_open(lab, subject, data_set) for _ in range(repeats)])
        except BrowserError as error:
            raise NotAvailable(f"the browser: {str(error).splitlines()[0]}") from None

    return Probe(f"thumbnails in OHIF, {data_set}", measure)


def refuse_without_viewer() -> None:
    """Raise NotAvailable, saying what to install, where OHIF or Chromium cannot be had."""
    try:
        make_viewer()
        find_chromium()
    except SetupError as error:
        raise NotAvailable(str(error)) from None


def _open(lab: Lab, subject: Subject, data_set: str) -> float:
    """Seconds of one opening in a new browser."""
    server, stored = lab.emptied(subject), lab.stored(data_set)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        sync_playwright() as playwright,
        chromium_with_profile(playwright, Path(profile)) as browser,
    ):
        browser.add_init_script(KEEP_ALL)
        ohif = Ohif(browser.new_page())
        ohif.page.goto(f"{server.url}/ohif/viewer?StudyInstanceUIDs={stored[0].instance.study_instance_uid}")
        seconds = seconds_to_thumbnails(ohif.page, len(stored))
        refuse_strangers(subject, [answer.outcome for answer in ohif.traffic.frames])
        return seconds


def seconds_to_thumbnails(page: Page, number: int) -> float:
    """Seconds, on the page's own clock, from its first frame request until it shows so many thumbnails."""
    shown = page.wait_for_function(SHOWN, arg=number, timeout=PATIENCE * 1000, polling="raf").json_value()
    return float(shown - page.evaluate(FIRST_REQUEST)) / 1000


def refuse_strangers(subject: Subject, outcomes: Sequence[str | None]) -> None:
    """Raise NotAvailable when the plugin is measured and another one answered, or the other way round."""
    if not outcomes or subject.has_cache != any(outcomes):
        raise NotAvailable(f"the frames were answered by {'the plugin' if any(outcomes) else 'the stock plugin'}")
