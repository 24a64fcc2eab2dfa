"""One real Orthanc with the plugin in it, as its clients see it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from dev.orthanc_server import PLUGINS, OrthancServer
from dev.sample import Sample
from dev.upload import FINAL_STATES, Instance
from tests.integration.parts import Part, parts_of

# As OHIF asks: the stored transfer syntax, whatever it is, the type without quotes.
AS_STORED = "multipart/related; type=application/octet-stream; transfer-syntax=*"

# "Before": trixie's GDCM needs more stack than an HTTP thread of Orthanc has, and ends the server when it transcodes.
CONFIGURATION: Mapping[str, object] = {
    "Python": {"AllowThreads": True},
    "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableMetadataCache": False},
    "BuiltinDecoderTranscoderOrder": "Before",
    "OverwriteInstances": True,
    "KeepAlive": False,
    # Python plugin 7.1 aborts at its end where a change, such as a study that becomes stable, comes while it stops.
    "StableAge": 3600,
}
PATIENCE = 60.0  # seconds until something that happens by itself is taken to have failed


class Archive:
    """What a client asks of `server`, with `credentials` where it wants some."""

    def __init__(self, server: OrthancServer, credentials: tuple[str, str] | None = None) -> None:
        self.server, self._credentials = server, credentials

    @property
    def log(self) -> str:
        return self.server.log_path.read_text(errors="replace")

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        return requests.request(method, self.server.url + path, auth=self._credentials, timeout=PATIENCE, **options)

    def get(self, path: str, **headers: str) -> requests.Response:
        """GET, redirections followed; `accept="…"` and the like become headers."""
        return self.ask("GET", path, headers=_header_names(headers))

    def get_json(self, path: str) -> Any:
        answer = self.get(path)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, content: object) -> None:
        self.ask("POST", path, json=content).raise_for_status()

    def delete(self, path: str) -> None:
        self.ask("DELETE", path).raise_for_status()

    def store(self, sample: Sample, *, cached: bool = True) -> Instance:
        """Upload `sample`; with `cached`, wait until all its frames are in the cache."""
        path = self.server.folder / "upload.dcm"
        orthanc_id = self.upload(sample.write(path).read_bytes())
        path.unlink()
        instance = instance_of(sample, orthanc_id)
        if cached:
            self.wait_until_cached(instance)
        return instance

    def upload(self, content: bytes) -> str:
        """Store a file and return its Orthanc ID."""
        answer = self.ask("POST", "/instances", data=content)
        answer.raise_for_status()
        return str(answer.json()["ID"])

    def frames(
        self, instance: Instance, frame_list: str, accept: str | None = AS_STORED, **headers: str
    ) -> requests.Response:
        """GET …/frames/{list}; a None as `accept` sends no such header."""
        return self.get(f"{instance.path}/frames/{frame_list}", **({"accept": accept} if accept else {}), **headers)

    def stock_frames(self, instance: Instance, frame_list: str, accept: str | None = AS_STORED) -> requests.Response:
        """The stock plugin's answer: it reads 01 as 1, and our route does not match it."""
        return self.frames(instance, f"0{frame_list}", accept)

    def parts(self, instance: Instance, frame_list: str, accept: str | None = AS_STORED) -> list[Part]:
        return parts_of(self.frames(instance, frame_list, accept))

    def stock_parts(self, instance: Instance, frame_list: str, accept: str | None = AS_STORED) -> list[Part]:
        return parts_of(self.stock_frames(instance, frame_list, accept))

    def cached_files(self) -> set[Path]:
        """The files of the cache; folders may vanish while they are looked through."""
        folders = os.walk(self.server.folder / "FrameCache")
        return {Path(folder, name) for folder, _, names in folders for name in names if name.endswith(".block")}

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.get_json("/frame-cache/status")
        return status

    def progress(self, instance: Instance) -> dict[str, Any]:
        progress: dict[str, Any] = self.get_json(f"/frame-cache/instances/{instance.orthanc_id}")
        return progress

    def _has_ended(self, progress: dict[str, Any]) -> bool:
        """Whether it is final: the version that was replaced may have ended, and the new one not be looked at yet."""
        was_replaced = "deleted or replaced" in (progress["LastError"] or "")
        return progress["State"] in FINAL_STATES and not was_replaced

    def wait_until_cached(self, instance: Instance) -> None:
        wait_until(lambda: self._has_ended(self.progress(instance)), lambda: str(self.progress(instance)))
        progress = self.progress(instance)
        assert progress["State"] == "cached", progress
        assert progress["CachedFrames"] == progress["NumberOfFrames"], progress

    def wait_until_checked(self) -> None:
        """Wait for the end of the plugin's start-up checks, which begin when Orthanc answers already."""

        def checked() -> bool:
            status = self.status()
            return not status["Serving"] or "RouteOrder" in {check["Name"] for check in status["Checks"]}

        wait_until(checked, lambda: str(self.status()))

    def advice(self) -> dict[str, str]:
        """The checks that did not pass, with what they say."""
        return {check["Name"]: check["Advice"] for check in self.status()["Checks"] if not check["Passed"]}


def instance_of(sample: Sample, orthanc_id: str) -> Instance:
    return Instance(orthanc_id, sample.study_instance_uid, sample.series_instance_uid, sample.sop_instance_uid)


@contextmanager
def running(
    suite: str,
    folder: Path,
    configuration: Mapping[str, object] | None = None,
    *,
    plugins: Sequence[str] = PLUGINS,
    others: Sequence[Path] = (),
    credentials: tuple[str, str] | None = None,
    in_order: bool = True,
    endings: Endings | None = None,
) -> Iterator[Archive]:
    """An Orthanc that is up and has made its checks.

    It has to end without a crash: here, or meanwhile as one of `endings`. Where that is not the point, it is killed
    instead, as an end takes some seconds.
    """
    server = OrthancServer(suite, folder, {**CONFIGURATION, **(configuration or {})}, plugins=plugins, others=others)
    server.start()
    try:
        archive = Archive(server, credentials)
        archive.wait_until_checked()
        yield archive
        if server.is_started and endings and in_order:
            endings.begin(server)
        elif server.is_started and in_order:
            stop(server)
        elif server.is_started:
            server.kill()
    except BaseException:
        if server.is_started:
            server.kill()
        raise


class Endings:
    """Orthancs that end while the next tests run: each takes seconds in which it does nothing but wait."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(8)
        self._ends: list[Future[float]] = []

    def begin(self, server: OrthancServer) -> None:
        """Stop it; nobody may ask it anything from now on."""
        self._ends.append(self._pool.submit(stop, server))

    def wait(self) -> None:
        """Raises what is wrong with any."""
        for end in self._ends:
            end.result()


def stop(server: OrthancServer, timeout: float = 60.0) -> float:
    """Stop Orthanc, see that it ended in order, and return the seconds it took."""
    process = server.process
    seconds = server.stop(timeout)
    assert process.returncode == 0, server.last_lines()
    return seconds


def restart(archive: Archive) -> None:
    stop(archive.server)
    archive.server.start()
    archive.wait_until_checked()


def wait_until(condition: Callable[[], bool], explain: Callable[[], str] = lambda: "") -> None:
    """Poll until `condition` holds; `explain` tells what is there instead when it never does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {PATIENCE:g} s: {explain()}"
        time.sleep(0.02)


def _header_names(headers: Mapping[str, str]) -> dict[str, str | None]:
    """requests adds an Accept of its own unless it is told not to."""
    return {"accept": None, **{name.replace("_", "-"): value for name, value in headers.items()}}
