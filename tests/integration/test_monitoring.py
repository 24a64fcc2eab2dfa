"""docs/monitoring with a real Prometheus: it scrapes both routes, and what rules and dashboard ask for is there."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.console import CHECKOUT
from dev.orthanc_folder import SUITES
from dev.orthanc_server import free_port
from dev.prometheus import command
from dev.sample import Sample
from tests.integration.archive import Archive, running, wait_until

pytestmark = pytest.mark.orthanc

FOLDER = CHECKOUT / "docs/monitoring"
CREDENTIALS = ("prometheus", "change-me")
WITH_PASSWORD = {"AuthenticationEnabled": True, "RegisteredUsers": dict([CREDENTIALS])}
SMALL = Sample(frames=3, rows=64, columns=96)


@pytest.fixture(scope="module")
def archive(suite: str, folder: Path) -> Iterator[Archive]:
    """Misses and hits have happened in it."""
    with running(suite, folder / "orthanc", WITH_PASSWORD, credentials=CREDENTIALS, in_order=False) as archive:
        instance = archive.store(SMALL)
        for _ in range(3):
            archive.frames(instance, "1").raise_for_status()
        yield archive


@contextmanager
def prometheus(archive: Archive, folder: Path) -> Iterator[str]:
    """The address of one that does as docs/monitoring/prometheus.yml says, more often."""
    folder.mkdir()
    target, port = f"127.0.0.1:{archive.server.port}", free_port()
    written = (FOLDER / "prometheus.yml").read_text()
    assert written.count("pacs.example.org:8042") == 2
    written = re.sub(r"interval: 15s", "interval: 1s", written.replace("pacs.example.org:8042", target))
    (folder / "prometheus.yml").write_text(written.replace("alerts.yml", str(FOLDER / "alerts.yml")))
    options = {"config.file": folder / "prometheus.yml", "storage.tsdb.path": folder / "data"}
    options["web.listen-address"] = Path(f"127.0.0.1:{port}")
    program = command("prometheus", *(f"--{name}={value}" for name, value in options.items()))
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *program], stdout=log, stderr=log) as process,
    ):
        try:
            yield f"http://127.0.0.1:{port}/api/v1"
        finally:
            process.kill()


def ask(api: str, path: str, **arguments: str) -> Any:
    """None while nobody answers."""
    try:
        answer = requests.get(f"{api}/{path}", params=arguments, timeout=10)
    except requests.ConnectionError:
        return None
    if answer.status_code == 503:  # it is starting
        return None
    told = answer.json()
    assert told["status"] == "success", (arguments, told)
    return told["data"]


def targets(api: str) -> dict[str, str]:
    """The health of each job."""
    told = ask(api, "targets") or {"activeTargets": []}
    return {target["labels"]["job"]: target["health"] for target in told["activeTargets"]}


def rules(api: str) -> list[dict[str, Any]]:
    return [rule for group in (ask(api, "rules") or {"groups": []})["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    """Of the dashboard, with its variables filled in."""
    board = json.loads((FOLDER / "grafana.json").read_text())
    told = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return [expr.replace("$instance", ".*").replace("$__rate_interval", "1m") for expr in told]


# What is scraped does not depend on Orthanc's release, but for its own route: that is the next test.
@pytest.mark.parametrize("suite", SUITES[:1], indirect=True, scope="module")
def test_a_real_prometheus_finds_what_the_rules_and_the_dashboard_ask_for(archive: Archive, folder: Path) -> None:
    with prometheus(archive, folder / "prometheus") as api:
        wait_until(lambda: targets(api) == {"frame-cache": "up", "orthanc": "up"}, lambda: str(ask(api, "targets")))
        wait_until(
            lambda: bool(rules(api)) and {rule["health"] for rule in rules(api)} == {"ok"}, lambda: str(rules(api))
        )
        told = [*expressions(), *(rule["query"] for rule in rules(api))]
        selectors = {found for expr in told for found in re.findall(r"\b(?:frame_cache_\w+|up)\{[^}]*\}", expr)}
        assert len(selectors) > 30
        missing = [selector for selector in selectors if not ask(api, "query", query=selector)["result"]]
        assert not missing
        for expr in told:
            ask(api, "query", query=expr)
        (hits,) = ask(api, "query", query='frame_cache_serve_seconds_count{route="frames", outcome="hit"}')["result"]
        assert (hits["metric"]["job"], float(hits["value"][1]) > 0) == ("frame-cache", True)
        assert [rule["name"] for rule in rules(api) if rule.get("alerts")] == []


def test_orthanc_s_own_metrics_have_ours_but_for_the_buckets(archive: Archive) -> None:
    def told(path: str) -> dict[str, str]:
        lines = [line for line in archive.get(path).text.splitlines() if line.startswith("frame_cache_")]
        parts = [re.fullmatch(r"([a-z_]+(?:\{.*\})?) (\S+)(?: \d+)?", line) for line in lines]
        return {found[1]: found[2] for found in parts if found}

    scraped, own = told("/frame-cache/metrics"), told("/tools/metrics-prometheus")
    assert set(own) == {name for name in scraped if not re.search(r"_seconds_(bucket|sum|count)", name)}
    # It was told when the plugin had started, and is told anew every ten seconds.
    assert own["frame_cache_serving"] == scraped["frame_cache_serving"] == "1"
    assert float(own["frame_cache_maximum_bytes"]) == pytest.approx(float(scraped["frame_cache_maximum_bytes"]), 1e-6)


@pytest.mark.parametrize("arguments", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts.test.yml")])
def test_the_rules_do_what_they_say(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(command("promtool", *arguments), cwd=FOLDER, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
