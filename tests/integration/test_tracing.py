"""OpenTelemetry traces of a real Orthanc, at a collector that speaks OTLP/HTTP."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from dev.console import CHECKOUT
from dev.orthanc_folder import SUITES, OrthancFolder
from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import Archive, Endings, running, stop, wait_until
from tests.integration.collector import Collector, attributes, collecting
from tests.integration.documents import store_document
from tests.integration.processes import children_of, command_of

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=3, rows=64, columns=96)
UNKNOWN = "/dicom-web/studies/2.25.1/series/2.25.2/instances/2.25.3"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
STOP_SECONDS = 5.0
SDK = {"opentelemetry", "google", "requests"}
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
# Says what is imported in Orthanc itself.
SCRIPT = """
import sys
sys.path.append({plugin!r})
import json
import orthanc
from framecache import install

def modules(output, uri, **request):
    output.AnswerBuffer(json.dumps(sorted(sys.modules)), "application/json")

orthanc.RegisterRestCallback("/modules", modules)
install(orthanc)
"""


@pytest.fixture(scope="module")
def collector(suite: str) -> Iterator[Collector]:
    with collecting(f"pacs-{suite}") as collector:
        yield collector


@pytest.fixture(scope="module")
def configuration(folder: Path) -> dict[str, object]:
    script = folder / "script.py"
    script.write_text(SCRIPT.format(plugin=str(CHECKOUT / "plugin")))
    return {"PythonScript": str(script)}


@pytest.fixture(scope="module")
def archive(suite: str, folder: Path, collector: Collector, configuration: dict[str, object]) -> Iterator[Archive]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENDPOINT, collector.url)
        patch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=radiology")
        patch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        patch.setenv("OTEL_SERVICE_NAME", collector.service)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        with running(suite, folder / "orthanc", configuration) as archive:
            yield archive


@pytest.fixture(scope="module")
def instance(archive: Archive) -> Instance:
    return archive.store(SMALL)


def arrived(collector: Collector, name: str, number: int = 1) -> list[Span]:
    """The spans of that name, as soon as there are so many."""
    wait_until(lambda: len(collector.named(name)) >= number, lambda: str([span.name for span in collector.spans]))
    return collector.named(name)


def span_of(collector: Collector, archive: Archive, path: str, **headers: str) -> Span:
    """The span of a request for `path`."""
    name = "GET rendered" if path.endswith("rendered") else "GET frames"
    before = len(collector.named(name))
    archive.get(path, **headers)
    return arrived(collector, name, before + 1)[-1]


def tracing_processes(archive: Archive) -> list[int]:
    """Those that this Orthanc has started."""
    children = children_of(archive.server.pid)
    return [pid for pid in children if b"framecache.telemetry.tracing.process" in command_of(pid)]


def test_an_upload_is_one_trace_from_stored_to_extracted(collector: Collector, instance: Instance) -> None:
    (root,) = [
        span
        for span in arrived(collector, "instance")
        if attributes(span)["orthanc.instance_id"] == instance.orthanc_id
    ]
    stored, queued, extracted = stages = [
        span
        for name in ("stored", "queued", "extracted")
        for span in collector.named(name)
        if span.trace_id == root.trace_id
    ]

    assert {span.parent_span_id for span in stages} == {root.span_id}
    assert (root.parent_span_id, root.start_time_unix_nano) == (b"", stored.start_time_unix_nano)
    assert stored.start_time_unix_nano < stored.end_time_unix_nano == queued.start_time_unix_nano
    assert queued.end_time_unix_nano == extracted.start_time_unix_nano < extracted.end_time_unix_nano
    assert extracted.end_time_unix_nano == root.end_time_unix_nano
    assert abs(root.end_time_unix_nano / 1e9 - time.time()) < 60
    assert attributes(queued) == {"frame_cache.priority": "arrived"}
    told = attributes(extracted)
    assert (told["frame_cache.state"], told["frame_cache.frames"]) == ("cached", SMALL.frames)
    assert attributes(root)["dicom.sop_instance_uid"] == SMALL.sop_instance_uid


def test_a_hit_a_miss_and_a_hand_over_are_told_apart(
    collector: Collector, archive: Archive, instance: Instance
) -> None:
    other = archive.store(Sample(seed=1, frames=3, rows=64, columns=96))
    document = store_document(archive)
    archive.ask("POST", f"/frame-cache/instances/{other.orthanc_id}/purge", headers={"X-Frame-Cache": "1"})
    spans = [
        span_of(collector, archive, f"{instance.path}/frames/1"),
        span_of(collector, archive, f"{other.path}/frames/2"),
        span_of(collector, archive, f"{document.path}/rendered"),
    ]

    told = [attributes(span) for span in spans]
    assert [one["frame_cache.outcome"] for one in told] == ["hit", "miss", "handed_over"]
    assert [one["http.response.status_code"] for one in told] == [200, 200, 307]
    assert [one.get("frame_cache.miss_cause") for one in told] == [None, "not_cached", None]
    assert [one["url.path"] for one in told] == [
        f"{instance.path}/frames/1",
        f"{other.path}/frames/2",
        f"{document.path}/rendered",
    ]
    assert all(span.kind == Span.SPAN_KIND_SERVER and not span.parent_span_id for span in spans)


def test_the_client_s_trace_is_continued(collector: Collector, archive: Archive, instance: Instance) -> None:
    traceparent = f"00-{TRACE}-{PARENT}-01"
    span = span_of(collector, archive, f"{instance.path}/frames/1", traceparent=traceparent)

    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)


def test_the_environment_is_heeded_and_orthanc_itself_imports_nothing(collector: Collector, archive: Archive) -> None:
    arrived(collector, "GET frames")

    assert (collector.services, collector.headers["x-tenant"]) == ({collector.service}, "radiology")
    assert [name.rpartition("@")[2] for name in collector.nodes] == [socket.gethostname()]
    assert [name for name in archive.get_json("/modules") if name.partition(".")[0] in SDK] == []
    assert "tracing" not in archive.log


def test_a_collector_that_is_down_delays_neither_frames_nor_the_end(
    collector: Collector, archive: Archive, instance: Instance
) -> None:
    collector.close()
    for _ in range(3):
        assert archive.frames(instance, "1").headers["X-Frame-Cache"] == "hit"
        time.sleep(0.6)
    wait_until(lambda: "frame cache: tracing: " in archive.log)
    with socket.create_server(("127.0.0.1", collector.port)):  # takes connections, and never answers
        archive.store(Sample(seed=2, frames=3, rows=64, columns=96))
        (process,) = tracing_processes(archive)
        assert stop(archive.server) < STOP_SECONDS

    assert archive.log.count("frame cache: tracing: ") == 1
    assert not Path(f"/proc/{process}").exists()


@pytest.mark.parametrize("suite", SUITES[:1], indirect=True)
def test_where_nothing_asks_for_traces_there_is_nothing_of_them(
    folder: Path, suite: str, configuration: dict[str, object], endings: Endings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENDPOINT, raising=False)
    with running(suite, folder / "off", configuration, endings=endings) as archive:
        instance = archive.store(SMALL)
        assert archive.frames(instance, "1").headers["X-Frame-Cache"] == "hit"

        assert [name for name in archive.get_json("/modules") if name.partition(".")[0] in SDK] == []
        assert tracing_processes(archive) == []
        assert "Tracing" not in {check["Name"] for check in archive.status()["Checks"]}


@pytest.mark.parametrize("suite", SUITES[:1], indirect=True)
def test_without_the_extra_frames_are_served_and_the_status_says_what_is_missing(
    folder: Path, suite: str, endings: Endings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setattr(OrthancFolder, "extra_packages", lambda *_: folder / "nothing")
    with running(suite, folder / "without", endings=endings) as archive:
        instance = archive.store(SMALL)
        assert archive.frames(instance, "1").headers["X-Frame-Cache"] == "hit"
        wait_until(lambda: bool(archive.advice()))

        assert "No module named 'opentelemetry'" in archive.advice()["Tracing"]
        assert f"frame cache: {archive.advice()['Tracing']}" in archive.log
        assert archive.status()["Serving"] is True
