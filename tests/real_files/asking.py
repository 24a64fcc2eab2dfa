"""All requests for all images, to Orthancs at once: with copies of the frames, in index mode, and without us."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from dev.orthanc_folder import SUITES
from dev.orthanc_server import OrthancServer
from tests.conformance import stock
from tests.conformance.client import HttpClient, Reply
from tests.integration.archive import running
from tests.real_files.endings import may_be_asked
from tests.real_files.findings import Answers, Finding
from tests.real_files.forms import FORMS, Form
from tests.real_files.images import Image
from tests.real_files.truth import Truth

THREADS, NO_ANSWER = 4, 0
# Every image is cached, those of one frame too.
COPY = {"KeepAlive": True, "KeepAliveTimeout": 60, "FrameCache": {"MinimumFrames": 1}}
INDEX = {"KeepAlive": True, "KeepAliveTimeout": 60, "FrameCache": {"MinimumFrames": 1, "Mode": "index"}}


class Server:
    """One Orthanc, with a connection for each thread."""

    def __init__(self, url: str) -> None:
        self._url, self._local = url, threading.local()

    @property
    def _client(self) -> HttpClient:
        if not hasattr(self._local, "client"):
            self._local.client = HttpClient(self._url)
        client: HttpClient = self._local.client
        return client

    def get(self, image: Image, form: Form) -> Reply:
        """The answer; of status 0 where there is none."""
        for _ in range(2):  # the stock plugin ends a connection after some answers, and does not say so
            with suppress(requests.ConnectionError):
                return self._client.get(form.path(image), {"Accept": form.accept})
        return Reply(NO_ANSWER, {}, b"")

    def takes(self, image: Image) -> bool:
        """Upload it; False where Orthanc refuses it."""
        return self._client.store(image.content).status_code == 200


@dataclass(frozen=True)
class Servers:
    """Those of one suite. `indexing` is there once: that mode reads stored files by itself, whichever Orthanc it is."""

    suite: str
    copying: Server
    stock: Server
    indexing: Server | None = None

    @property
    def _with_plugin(self) -> list[Server]:
        return [self.copying, self.indexing] if self.indexing else [self.copying]

    def findings(self, images: Sequence[Image], truth: Truth) -> list[Finding]:
        with ThreadPoolExecutor(THREADS) as pool:
            return [finding for found in pool.map(lambda image: self._of(image, truth), images) for finding in found]

    def _of(self, image: Image, truth: Truth) -> list[Finding]:
        taken = [server.takes(image) for server in (*self._with_plugin, self.stock)]
        if not all(taken):
            return []
        forms = [form for form in FORMS if form.cheap or not image.is_large]
        return [finding for form in forms for finding in self._ask(image, form).findings(truth)]

    def _ask(self, image: Image, form: Form) -> Answers:
        first = self.copying.get(image, form)
        again = [server.get(image, form) for server in self._with_plugin]
        asked = may_be_asked(self.suite, image, form)
        return Answers(image, form, first, tuple(again), self.stock.get(image, form) if asked else None)


@contextmanager
def servers(suite: str, folder: Path) -> Iterator[Servers]:
    """They have to end in order, those with the plugin."""
    with ExitStack() as stack:
        urls = [stack.enter_context(running(suite, folder / "copy", COPY)).server.url]
        stock_plugin = OrthancServer(suite, folder / "stock", stock.CONFIGURATION, plugins=stock.PLUGINS)
        urls.append(stack.enter_context(stock_plugin).url)
        if suite == SUITES[-1]:
            urls.append(stack.enter_context(running(suite, folder / "index", INDEX)).server.url)
        yield Servers(suite, *map(Server, urls))
