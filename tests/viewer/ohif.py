"""OHIF in a tab of a real Chromium, as someone who reads a study uses it."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, Playwright, TimeoutError  # noqa: A004 # Playwright's own

from dev.console import SetupError
from dev.upload import Instance
from tests.viewer.traffic import Traffic

CHROMIUM = Path("/usr/bin/chromium")
# WebGL by software, and nothing of the browser's own that would go to the network.
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]
# The tour that OHIF gives at the first visit would lie over the picture.
NO_TOUR = "localStorage.setItem('shownTours', '[\"basicViewerTour\"]')"
PATIENCE = 120.0  # seconds; a busy machine draws slowly


def find_chromium() -> None:
    """Raise SetupError when Debian's Chromium is not installed."""
    if not CHROMIUM.exists():
        raise SetupError("Chromium is missing: apt-get install chromium")


@contextmanager
def chromium_with_profile(playwright: Playwright, profile: Path) -> Iterator[BrowserContext]:
    """Chromium with its cache in the folder `profile`."""
    context = playwright.chromium.launch_persistent_context(
        profile, executable_path=CHROMIUM, args=FLAGS, viewport={"width": 1024, "height": 720}
    )
    context.add_init_script(NO_TOUR)
    yield context
    context.close()


@contextmanager
def tab(browser: BrowserContext) -> Iterator[Ohif]:
    """A new tab, closed at the end; what it has loaded stays in the browser's cache only."""
    page = browser.new_page()
    yield Ohif(page)
    page.close()


@contextmanager
def microscopy_tab(browser: BrowserContext) -> Iterator[Microscopy]:
    """The same for slides."""
    page = browser.new_page()
    yield Microscopy(page)
    page.close()


class Tab:
    """A page of OHIF with one viewport, and what comes over the wire for it."""

    def __init__(self, page: Page, viewport: str) -> None:
        """`viewport` is its selector; the first one counts."""
        self.page, self.traffic = page, Traffic(page)
        self._viewport = page.locator(viewport).first

    def screenshot(self) -> bytes:
        """The viewport as a PNG."""
        return self._viewport.screenshot()

    def wait_until(self, done: Callable[[], bool], failure: Callable[[], str]) -> None:
        """Let the page go on until `done`; `failure` says what is wrong when that does not come."""
        deadline = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < deadline, failure()
            self.page.wait_for_timeout(50)

    def wait_for_traffic(self) -> None:
        """Wait until all frames that were asked for have come."""
        self.wait_until(lambda: self.traffic.pending == 0, lambda: f"{self.traffic.pending} frames do not come")


class Microscopy(Tab):
    """A study open in OHIF's mode for slides."""

    def __init__(self, page: Page) -> None:
        super().__init__(page, ".ol-viewport")

    def open(self, url: str, instance: Instance) -> None:
        """Return when there is a viewport."""
        self.page.goto(f"{url}/ohif/microscopy?StudyInstanceUIDs={instance.study_instance_uid}")
        self._viewport.wait_for(timeout=PATIENCE * 1000)

    def zoom_in(self) -> None:
        """One notch of the wheel, and as long as OpenLayers is moving then."""
        self._viewport.hover()
        self.page.mouse.wheel(0, -300)
        self.page.wait_for_timeout(500)


class Ohif(Tab):
    """A study open in OHIF, its first series in one viewport."""

    def __init__(self, page: Page) -> None:
        super().__init__(page, "canvas.cornerstone-canvas")

    def open(self, url: str, instance: Instance) -> None:
        """Return when the viewport says that it is at the first frame.

        About once in fifty openings on a busy machine, OHIF shows nothing though all that it asked for has come: then
        it is loaded once more.
        """
        self.page.goto(f"{url}/ohif/viewer?StudyInstanceUIDs={instance.study_instance_uid}")
        try:
            self.wait_for_frame(1, PATIENCE / 2)
        except TimeoutError:
            assert self.traffic.pending == 0, f"{self.traffic.pending} frames do not come"
            assert {answer.status for answer in self.traffic.frames} <= {200, 304}
            warnings.warn(f"OHIF stands still after {len(self.traffic.frames)} frames", stacklevel=1)
            self.traffic.let_nothing_come_from_the_browsers_cache()
            self.page.reload()
            self.wait_for_frame(1)

    def scroll(self) -> None:
        """One notch of the wheel: one frame on."""
        self._viewport.hover()
        self.page.mouse.wheel(0, 100)

    def wait_for_frame(self, frame_number: int, patience: float = PATIENCE) -> None:
        """Wait until the viewport says that it is at `frame_number`. Raises TimeoutError after `patience` seconds."""
        self.page.get_by_text(re.compile(rf"\({frame_number}/\d+\)")).first.wait_for(timeout=patience * 1000)
