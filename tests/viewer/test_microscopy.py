"""OHIF's mode for slides in a real Chromium: its tiles are in their places, and come from the cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from dev.orthanc_folder import SUITES
from dev.orthanc_server import OrthancServer
from dev.slide import slide
from tests.viewer.conftest import store
from tests.viewer.looking import asked_again, look_at_slide
from tests.viewer.ohif import microscopy_tab

pytestmark = [pytest.mark.viewer, pytest.mark.orthanc, pytest.mark.slow]

# Both Orthancs answer for tiles in the same way, and each opening of OHIF takes seconds. What the browser kept is asked
# for again in the same way whatever it is encoded in: with one encoding of each Orthanc.
OPENINGS = [
    (SUITES[0], "jpeg", 2),
    (SUITES[-1], "explicit", 2),
    *((SUITES[-1], encoding, 1) for encoding in ("jpeg", "jpeg-2000", "htj2k")),
]


@pytest.mark.parametrize(("orthanc", "encoding", "times"), OPENINGS, indirect=["orthanc"], scope="module")
def test_a_slide_is_shown_from_the_cache_and_again_from_the_browsers_own(
    encoding: str, times: int, orthanc: OrthancServer, browser: BrowserContext, artifacts: Path
) -> None:
    levels = slide(encoding, seed=1 + OPENINGS.index((orthanc.installed.suite, encoding, times)))
    for level in levels:
        instance = store(orthanc, level)

    seen = []
    for _ in range(times):
        with microscopy_tab(browser) as microscopy:
            microscopy.open(orthanc.url, instance)
            seen.append(look_at_slide(microscopy, levels[0]))
            microscopy.page.screenshot(path=artifacts / f"microscopy {orthanc.installed.suite} {encoding}.png")

    first, *again = seen
    assert {(answer.outcome, answer.handed_over) for answer in first} == {("hit", False)}
    # The overview in the corner is made of tiles that are seen already.
    assert {answer.status for answer in first} <= {200, 304}
    assert {answer.sop_instance_uid for answer in first} == {level.sop_instance_uid for level in levels}
    for second in again:
        assert {answer.outcome for answer in second} == {"hit"}
        assert {answer.status for answer in asked_again(first, second)} == {304}
