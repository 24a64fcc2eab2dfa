"""When OHIF's viewport showed what: small copies of its pictures, kept by the page itself."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from playwright.sync_api import BrowserContext, Page

from bench.client import NotAvailable

ALIKE = 0.9  # correlation with the finished picture from which on a picture is recognisable
SCRIPT = Path(__file__).with_suffix(".js")
# The browser's own list of what was fetched is short, and the viewer has many parts.
KEEP_ALL = "performance.setResourceTimingBufferSize(10000)"
# The viewport's picture is final soon after a frame has come as a whole.
FINISHED = """() => performance.getEntriesByType('resource')
    .some(entry => entry.name.includes('/frames/') && entry.responseEnd)
    && window.pictures.some(picture => picture.grey.some(value => value))"""
SETTLE_MS = 3000


class Picture(TypedDict):
    """What the viewport showed from `time` on, in ms since the navigation: 64 × 64 grey values."""

    time: float
    grey: list[int]


def watched_page(browser: BrowserContext) -> Page:
    """A new page that keeps its pictures, and the times of all that it fetches."""
    browser.add_init_script(KEEP_ALL)
    browser.add_init_script(path=SCRIPT)
    return browser.new_page()


def seconds_to_first(page: Page, patience: float) -> float:
    """From the navigation to the first recognisable picture; waits for the finished one for `patience` seconds."""
    page.wait_for_function(FINISHED, timeout=patience * 1000)
    page.wait_for_timeout(SETTLE_MS)
    return first_recognisable(page.evaluate("window.pictures")) / 1000


def first_recognisable(pictures: Sequence[Picture]) -> float:
    """When the first one was shown that is like the last, in ms. Raises NotAvailable if the viewport stays black."""
    final = pictures[-1]["grey"] if pictures else []
    for picture in pictures:
        if len(set(picture["grey"])) > 1 and statistics.correlation(picture["grey"], final) >= ALIKE:
            return picture["time"]
    raise NotAvailable("the viewport shows no picture")
