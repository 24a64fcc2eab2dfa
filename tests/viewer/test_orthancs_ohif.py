"""OHIF as Orthanc's own OHIF plugin configures it: `staticWado`, an `acceptHeader`, addresses relative to the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import BrowserContext, Playwright

from dev.orthanc_folder import SUITES
from dev.orthanc_server import OrthancServer
from dev.sample import Sample
from dev.slide import slide
from tests.viewer.conftest import store
from tests.viewer.looking import asked_again, look_at_slide, scroll_through
from tests.viewer.ohif import chromium_with_profile, microscopy_tab, tab

pytestmark = [pytest.mark.viewer, pytest.mark.orthanc, pytest.mark.slow]

CONFIGURATION = {
    "routerBasename": "/ohif",
    "extensions": [],
    "modes": [],
    "showStudyList": True,
    "investigationalUseDialog": {"option": "never"},
    "defaultDataSourceName": "dicomweb",
    "dataSources": [
        {
            "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
            "sourceName": "dicomweb",
            "configuration": {
                "friendlyName": "Orthanc DICOMweb",
                "name": "orthanc",
                "wadoUriRoot": "../dicom-web",
                "qidoRoot": "../dicom-web",
                "wadoRoot": "../dicom-web",
                "qidoSupportsIncludeField": False,
                "supportsReject": False,
                "imageRendering": "wadors",
                "thumbnailRendering": "wadors",
                "enableStudyLazyLoad": True,
                "supportsFuzzyMatching": False,
                "supportsWildcard": True,
                "staticWado": True,
                "singlepart": "bulkdata",
                "acceptHeader": ["multipart/related; type=application/octet-stream; transfer-syntax=*"],
                "bulkDataURI": {"enabled": True, "relativeResolution": "studies"},
            },
        }
    ],
}
# app-config.js assigns to it in vain. A route of Playwright's would switch the browser's cache off.
CONFIGURE = f"Object.defineProperty(window, 'config', {{value: {json.dumps(CONFIGURATION)}, writable: false}})"
SMALL = Sample(frames=4, rows=512, columns=384, seed=31)
OLDEST, NEWEST = SUITES[0], SUITES[-1]
# Both Orthancs answer alike what these settings make OHIF ask for, and each opening takes seconds.
OPENINGS = {
    "native": (NEWEST, SMALL),
    "JPEG 2000": (OLDEST, replace(SMALL, seed=32, encoding="jpeg-2000")),
}


@pytest.fixture(scope="module")
def browser(orthanc: OrthancServer, playwright: Playwright) -> Iterator[BrowserContext]:
    with chromium_with_profile(playwright, orthanc.folder / "profile") as browser:
        browser.add_init_script(CONFIGURE)
        yield browser


@pytest.mark.parametrize(("orthanc", "sample"), OPENINGS.values(), ids=OPENINGS, indirect=["orthanc"], scope="module")
def test_a_study_is_scrolled_through_from_the_cache(
    sample: Sample, orthanc: OrthancServer, browser: BrowserContext
) -> None:
    instance = store(orthanc, sample)

    seen = []
    for _ in ("first", "second"):
        with tab(browser) as ohif:
            seen.append(scroll_through(ohif, orthanc.url, instance, sample))

    for answers, status in zip(seen, (200, 304), strict=True):
        assert {answer.frame_number for answer in answers} == set(range(1, sample.frames + 1))
        assert {(answer.status, answer.outcome, answer.handed_over) for answer in answers} == {(status, "hit", False)}


@pytest.mark.parametrize("orthanc", [OLDEST], indirect=True)
def test_a_slide_is_decoded_once_for_who_asks_for_anything(orthanc: OrthancServer, browser: BrowserContext) -> None:
    """Its microscopy mode sends `*/*` then, which is Explicit VR Little Endian (PS3.18 section 8.7.8)."""
    levels = slide("jpeg", seed=33)
    for level in levels:
        instance = store(orthanc, level)

    seen = []
    for _ in ("first", "second"):
        with microscopy_tab(browser) as microscopy:
            microscopy.open(orthanc.url, instance)
            seen.append(look_at_slide(microscopy, levels[0]))

    first, second = seen
    assert not any(answer.handed_over for answer in first)
    assert {answer.status for answer in first} <= {200, 304}
    assert {(answer.status, answer.outcome) for answer in asked_again(first, second)} == {(304, "hit")}
