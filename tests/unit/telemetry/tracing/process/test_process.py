"""The process by itself: it greets, and makes spans of what it reads until there is no more."""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from framecache.telemetry.tracing.process import __main__ as process
from framecache.telemetry.tracing.process import spans as sending
from framecache.telemetry.tracing.records import FinishedRecord, Record, RequestRecord, pack
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.unit.own_files import only_here


class Kept:
    def __init__(self) -> None:
        self.records: list[Record] = []
        self.ended, self.node = False, ""

    def add(self, record: Record) -> None:
        self.records.append(record)


def test_it_reads_to_the_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    kept = Kept()

    @contextmanager
    def spans(*, node: str) -> Iterator[Kept]:
        kept.node = node
        yield kept
        kept.ended = True

    monkeypatch.setattr(sending, "spans", spans)
    process.serve(io.BytesIO(pack(FinishedRecord("a")) + pack(FinishedRecord("b"))), "pacs@a")

    assert (kept.records, kept.ended, kept.node) == ([FinishedRecord("a"), FinishedRecord("b")], True, "pacs@a")
    assert json.loads(capsys.readouterr().out) == {"error": None}


def test_without_the_extra_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'opentelemetry'", name=name)

    monkeypatch.setattr(importlib, "import_module", only_here(missing, importlib.import_module))
    process.serve(io.BytesIO())

    assert json.loads(capsys.readouterr().out) == {"error": "No module named 'opentelemetry'"}


def test_what_the_sdk_finds_wrong_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER", "nobody")
    process.serve(io.BytesIO())

    assert "nobody" in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.parametrize(
    ("environment", "name", "node"),
    [
        ({}, "framecache", "pacs@a"),
        ({"OTEL_SERVICE_NAME": "pacs-1"}, "pacs-1", "pacs@a"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=pacs-2,deployment.environment.name=test"}, "pacs-2", "pacs@a"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=mine"}, "framecache", "mine"),
    ],
)
def test_the_service_and_the_node_have_their_names_unless_the_environment_gives_others(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], name: str, node: str
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    sent = InMemorySpanExporter()
    with sending.spans(sent, node="pacs@a") as spans:
        spans.add(RequestRecord("GET", "/", (), "", "", 1.0, None, 2.0, 200, 0, None, None))
    (resource,) = [span.resource.attributes for span in sent.get_finished_spans()]
    assert (resource["service.name"], resource["service.instance.id"]) == (name, node)
