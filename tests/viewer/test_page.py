"""The page of a real Orthanc, behind an nginx with a prefix and with a login, in a real Chromium."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from pydicom import dcmread

from bench.nginx import NginxServer
from bench.tools import unpack
from dev.orthanc_folder import SUITES
from dev.orthanc_server import free_port
from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import Archive, instance_of, running, wait_until

pytestmark = [pytest.mark.viewer, pytest.mark.orthanc, pytest.mark.slow]

CREDENTIALS = ("administrator", "synthetic")
PREFIX = "/imaging/orthanc"
SERVER = """
server {{
    listen 127.0.0.1:{port};
    location {prefix}/ {{
        proxy_pass http://127.0.0.1:{orthanc}/;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
    }}
}}
"""
SMALL = Sample(frames=6, rows=96, columns=64)
NASTY = "<img onerror>"  # an equals sign would divide a name (PS3.5 6.2.1)
NASTIER = "<img src=x onerror=alert(1)>"
STUDIES = {"Doe^Jane": replace(SMALL, seed=1), "Roe^Rita": replace(SMALL, seed=2), NASTY: replace(SMALL, seed=3)}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Three studies, all cached, behind a login; the plugin's page is the same on both suites."""
    configuration = {
        "AuthenticationEnabled": True,
        "RegisteredUsers": dict([CREDENTIALS]),
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "PublicRoot": f"{PREFIX}/dicom-web/"},
    }
    folder = tmp_path_factory.mktemp("page")
    with running(SUITES[-1], folder, configuration, credentials=CREDENTIALS, in_order=False) as archive:
        for name, sample in STUDIES.items():
            archive.wait_until_cached(store(archive, name, sample))
        yield archive


def store(archive: Archive, name: str, sample: Sample) -> Instance:
    path = sample.write(archive.server.folder / "upload.dcm")
    dataset = dcmread(path)
    dataset.PatientName, dataset.StudyDescription = name, NASTIER
    dataset.save_as(path)
    return instance_of(sample, archive.upload(path.read_bytes()))


@pytest.fixture(scope="module")
def address(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where Orthanc is behind nginx."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    servers = SERVER.format(port=port, prefix=PREFIX, orthanc=archive.server.port)
    user = getpass.getuser() if os.getuid() == 0 else ""
    with NginxServer(unpack().nginx, folder, folder, port, workers=1, user=user, servers=servers) as nginx:
        yield f"{nginx.url}{PREFIX}"


@contextmanager
def window(chromium: Browser, address: str) -> Iterator[Page]:
    """A window with the login; what it asks for lies below `address`, and no rule of the page's policy is broken."""
    context = chromium.new_context(
        http_credentials={"username": CREDENTIALS[0], "password": CREDENTIALS[1]}, locale="en-GB"
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if "Security Policy" in line.text else None)
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("request", lambda one: None if one.url.startswith((address, "blob:")) else complaints.append(one.url))
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    """The page, with all studies in its table."""
    with window(chromium, address) as page:
        page.goto(f"{address}/frame-cache/app/")
        expect(page.locator("#rows tr")).to_have_count(len(STUDIES))
        yield page


def row_of(page: Page, name: str) -> Locator:
    return page.locator("#rows tr", has_text=name)


def act(page: Page, name: str, button: str) -> None:
    """Press a button of a study, and confirm."""
    row_of(page, name).get_by_role("button", name=re.compile(f"^{button}:")).click()
    page.get_by_role("dialog").get_by_role("button", name=button, exact=True).click()
    expect(page.locator("#announcement")).to_contain_text(name)


def is_cached(archive: Archive, name: str) -> bool:
    [orthanc_id] = archive.ask("POST", "/tools/lookup", data=STUDIES[name].sop_instance_uid).json()
    progress = archive.get_json(f"/frame-cache/instances/{orthanc_id['ID']}")
    return bool(progress["CachedFrames"] == SMALL.frames)


def test_it_works_and_shows_what_is_cached_and_of_whom(page: Page, archive: Archive, artifacts: Path) -> None:
    expect(page.locator("#state")).to_contain_text("Working")
    for name in ("Doe, Jane", "Roe, Rita", NASTY):
        expect(row_of(page, name)).to_contain_text("6 of 6 in 1 instance")
    expect(row_of(page, NASTY)).to_contain_text(NASTIER)
    expect(page.locator("#found")).to_have_text("3 studies in the cache")
    expect(page.locator("#overview")).to_contain_text("3 studies, 0 pinned, 18 frames")
    filled = page.get_by_role("slider", name="Frames cached: moment")
    expect(filled).to_have_attribute("aria-valuetext", re.compile(r"^in all: frames 18, size \S+\sKiB$"))
    expect(page.locator("#charts figure")).to_have_count(4)
    expect(page.locator("#checks li")).to_have_count(len(archive.status()["Checks"]))
    page.screenshot(path=artifacts / "page real.png", full_page=True)


@pytest.mark.parametrize("path", ["/frame-cache/app", "/frame-cache/app/", "/frame-cache/app/index.html"])
def test_each_way_leads_to_it(chromium: Browser, address: str, path: str) -> None:
    with window(chromium, address) as page:
        page.goto(address + path)
        expect(page.locator("#state")).to_contain_text("Working")
        assert page.url == f"{address}/frame-cache/app/index.html"


def test_a_purged_study_leaves_and_a_warmed_one_comes_back(page: Page, archive: Archive) -> None:
    act(page, "Roe, Rita", "Purge")
    expect(row_of(page, "Roe, Rita")).to_have_count(0)
    assert not is_cached(archive, "Roe^Rita")
    page.get_by_role("searchbox").fill("rita")
    page.keyboard.press("Enter")
    expect(row_of(page, "Roe, Rita")).to_contain_text("not in the cache")
    act(page, "Roe, Rita", "Warm")
    wait_until(lambda: is_cached(archive, "Roe^Rita"))
    expect(row_of(page, "Roe, Rita")).to_contain_text("6 of 6 in 1 instance")
    expect(page.locator("#jobs")).to_contain_text("Warm Roe, Rita")


def test_a_study_is_pinned_and_unpinned(page: Page, archive: Archive) -> None:
    for button, pinned in (("Pin", True), ("Unpin", False)):
        act(page, "Doe, Jane", button)
        badge = row_of(page, "Doe, Jane").get_by_text("Pinned", exact=True)
        expect(badge).to_be_visible(visible=pinned)
        assert (STUDIES["Doe^Jane"].study_instance_uid in archive.status()["PinnedStudies"]) is pinned


def test_a_frame_is_previewed_from_the_cache(page: Page) -> None:
    row_of(page, "Doe, Jane").get_by_role("button", name="Preview").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("#origin")).to_have_text(re.compile("^Frame 3: the picture (is from the cache|was drawn)"))
    dialog.get_by_label("Frame", exact=False).last.press("End")
    expect(dialog.locator("#origin")).to_have_text(re.compile("^Frame 6: "))
    shown = page.locator("#picture").evaluate("(picture) => [picture.naturalWidth, picture.naturalHeight]")
    assert shown == [768, 768]  # as large as was asked for, with a margin
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_no_text_can_become_markup_in_it(page: Page) -> None:
    """The policy holds even for a mistake in the page's own scripts."""
    refused = page.evaluate(
        "(text) => { try { document.body.innerHTML = text } catch (error) { return error.name } }", NASTY
    )
    assert refused == "TypeError"


def test_orthanc_explorer_leads_to_it(chromium: Browser, archive: Archive, address: str) -> None:
    [study] = [
        one for one in archive.get_json("/studies?expand") if one["PatientMainDicomTags"]["PatientName"] == "Doe^Jane"
    ]
    with window(chromium, address) as page:
        page.goto(f"{address}/app/explorer.html")
        page.get_by_role("link", name="Frame cache").click()
        expect(page.locator("#state")).to_contain_text("Working")
        page.goto(f"{address}/app/explorer.html#study?uuid={study['ID']}")
        page.get_by_role("link", name="Open in the frame cache").click()
        expect(page.locator("#rows tr")).to_have_count(1)
        expect(row_of(page, "Doe, Jane")).to_have_count(1)


def test_a_server_that_ends_is_told(page: Page, archive: Archive) -> None:
    """The last of this Orthanc."""
    archive.server.kill()
    expect(page.locator("#silence")).to_contain_text("No answer since")
    expect(page.locator("#state")).to_contain_text("No answer")
