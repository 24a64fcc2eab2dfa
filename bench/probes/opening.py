"""A study opened in OHIF, from the navigation on: its metadata counts, too."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, sync_playwright
from playwright.sync_api import Error as BrowserError

from bench.client import NotAvailable
from bench.figure import Figure, of_seconds
from bench.lab import Lab
from bench.nginx import NginxServer
from bench.probe import Together
from bench.probes.pictures import seconds_to_first, watched_page
from bench.probes.viewer import OPENINGS, PATIENCE, SHOWN, refuse_strangers, refuse_without_viewer
from bench.recorder import Recorder
from bench.subject import FRAMECACHE_VIEWER, NGINX_VIEWER, Subject
from dev.orthanc_server import free_port
from dev.upload import upload
from tests.viewer.ohif import Ohif, chromium_with_profile

FIRST_PICTURE, LAST_THUMBNAIL = "first picture in OHIF", "last thumbnail in OHIF"


class JustSent(Together):
    """The study is opened in a new browser as soon as it was sent."""

    def _measure(self, lab: Lab, subject: Subject) -> Mapping[str, Figure]:
        refuse_without_viewer()
        repeats = OPENINGS if subject.has_cache else lab.size.slow_repeats
        return _medians([self._open(lab, subject) for _ in range(repeats)])

    def _open(self, lab: Lab, subject: Subject) -> Mapping[str, float]:
        files = lab.data[self._data_set].files(lab.places.samples)
        with lab.new_server(subject) as server, _new_browser() as browser:
            instances = [upload(server.url, file)[0] for file in files]
            return _open(browser, subject, server.url, instances[0].study_instance_uid, len(instances))


class Cached(Together):
    """All frames are cached, and each opening is in a new browser: what the browser itself takes."""

    _kind = "all cached, "

    def _measure(self, lab: Lab, subject: Subject) -> Mapping[str, Figure]:
        refuse_without_viewer()
        with _server(lab, subject, self._data_set) as url:
            return _medians([self._open(lab, subject, url) for _ in range(OPENINGS)])

    def _open(self, lab: Lab, subject: Subject, url: str) -> Mapping[str, float]:
        with _new_browser() as browser:
            return _open_stored(browser, lab, subject, url, self._data_set)


class Reopened(Together):
    """All frames are cached, and the browser has shown the study before."""

    _kind = "again, "

    def _measure(self, lab: Lab, subject: Subject) -> Mapping[str, Figure]:
        refuse_without_viewer()
        with _server(lab, subject, self._data_set) as url, _new_browser() as browser:
            _first, *times = (_open_stored(browser, lab, subject, url, self._data_set) for _ in range(1 + OPENINGS))
        return _medians(times)


@contextmanager
def _server(lab: Lab, subject: Subject, data_set: str) -> Iterator[str]:
    """Its URL."""
    if subject is NGINX_VIEWER:
        with _static_server(lab, data_set) as nginx:
            yield nginx.url
    else:
        yield lab.filled(subject, data_set).url


def _open_stored(browser: BrowserContext, lab: Lab, subject: Subject, url: str, data_set: str) -> Mapping[str, float]:
    stored = lab.stored(data_set)
    return _open(browser, subject, url, stored[0].instance.study_instance_uid, len(stored))


@contextmanager
def _static_server(lab: Lab, data_set: str) -> Iterator[NginxServer]:
    """nginx with what the plugin answers to OHIF as files; all frames of the first series, which OHIF fetches ahead."""
    stored, url, port = lab.stored(data_set), lab.filled(FRAMECACHE_VIEWER, data_set).url, free_port()
    lab.places.temporary.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=lab.places.temporary) as folder:
        with _new_browser() as browser:
            page = watched_page(browser)
            recorder = Recorder(page, url)
            _show(page, url, stored[0].instance.study_instance_uid, len(stored))
        servers = recorder.write(Path(folder) / "recorded", stored[0].frames, port)
        with lab.new_nginx(Path(folder) / "nginx", port, servers) as nginx:
            yield nginx


def _medians(times: Sequence[Mapping[str, float]]) -> Mapping[str, Figure]:
    return {name: of_seconds([one[name] for one in times]) for name in (FIRST_PICTURE, LAST_THUMBNAIL)}


@contextmanager
def _new_browser() -> Iterator[BrowserContext]:
    """A Chromium that knows nothing. Raises NotAvailable for its errors."""
    try:
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
            sync_playwright() as playwright,
            chromium_with_profile(playwright, Path(profile)) as browser,
        ):
            yield browser
    except BrowserError as error:
        raise NotAvailable(f"the browser: {str(error).splitlines()[0]}") from None


def _open(browser: BrowserContext, subject: Subject, url: str, study: str, number: int) -> Mapping[str, float]:
    """Seconds from the navigation to FIRST_PICTURE and to LAST_THUMBNAIL of so many, in a new tab."""
    page = watched_page(browser)
    ohif = Ohif(page)
    times = _show(page, url, study, number)
    refuse_strangers(subject, [answer.outcome for answer in ohif.traffic.frames])
    page.close()
    return times


def _show(page: Page, url: str, study: str, number: int) -> Mapping[str, float]:
    page.goto(f"{url}/ohif/viewer?StudyInstanceUIDs={study}")
    thumbnail = page.wait_for_function(SHOWN, arg=number, timeout=PATIENCE * 1000, polling="raf").json_value() / 1000
    return {FIRST_PICTURE: seconds_to_first(page, PATIENCE), LAST_THUMBNAIL: float(thumbnail)}
