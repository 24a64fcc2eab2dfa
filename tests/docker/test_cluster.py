"""docs/cluster.md from nothing to a running cluster: two nodes and two workers on PostgreSQL, S3, and nginx."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from framecache.dicom.identity import InstancePath
from framecache.tree.tree import Tree

from dev.console import CHECKOUT
from dev.orthanc_server import free_port
from dev.s3 import S3Server
from dev.sample import Sample
from tests.docker.cluster import SECRETS, Cluster, blocks, cluster
from tests.docker.deployment import wait
from tests.docker.relay import relay_to
from tests.integration.parts import parts_of

pytestmark = [pytest.mark.docker, pytest.mark.slow]

SAMPLE = Sample(frames=3, rows=64, columns=48)
OTHER = replace(SAMPLE, seed=1)
BUCKET = "framecache-cluster"


@pytest.fixture(scope="module")
def deployed(
    settings: dict[str, str], s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """The archive is in a bucket."""
    s3_server.make_bucket(BUCKET)
    with relay_to(urlsplit(s3_server.url).port or 0) as endpoint:
        chosen = {
            **s3_server.environment,
            "AWS_ENDPOINT": endpoint,
            "FRAMECACHE_ARCHIVE": f"s3://{BUCKET}/archive",
            "FRAMECACHE_EXTRA": "otel",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "",
            "ORTHANC_IMAGE": settings["ORTHANC_IMAGE"],
            "HTTP_PORT": str(free_port()),
        }
        with cluster(tmp_path_factory.mktemp("checkout"), chosen) as running:
            yield running


@pytest.fixture(scope="module")
def stored(deployed: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Uploaded through nginx, and cached by both nodes."""
    upload(deployed, SAMPLE, tmp_path_factory)
    wait(lambda: all(hit(deployed, f"/nodes/{node}") for node in "ab"), lambda: str(deployed.status("b")))
    return SAMPLE


def upload(deployed: Cluster, sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> None:
    dicom = sample.write(tmp_path_factory.mktemp("sample") / "sample.dcm").read_bytes()
    deployed.ask("POST", "/instances", data=dicom).raise_for_status()


def frame(sample: Sample, number: int) -> str:
    series = f"/dicom-web/studies/{sample.study_instance_uid}/series/{sample.series_instance_uid}"
    return f"{series}/instances/{sample.sop_instance_uid}/frames/{number}"


def hit(deployed: Cluster, prefix: str = "") -> bool:
    answer = deployed.ask("GET", prefix + frame(SAMPLE, 2))
    return answer.ok and answer.headers["X-Frame-Cache"] == "hit"


def pieces(deployed: Cluster, kind: str) -> dict[str, int]:
    """The counts of one kind of shared work, as node b reports them."""
    (found,) = [one for one in deployed.status("b")["Cluster"]["Pieces"] if one["Kind"] == kind]
    return dict(found)


def test_all_nodes_and_workers_take_part_and_every_check_passes(deployed: Cluster) -> None:
    for node in "ab":
        status = deployed.status(node)
        assert status["OwnsFrameRoutes"] is True
        assert [check for check in status["Checks"] if not check["Passed"]] == []
        assert status["Cluster"]["Node"] == f"{node}@orthanc-{node}"
    wait(lambda: deployed.status("a")["Cluster"]["Processes"] == 4, lambda: str(deployed.status("a")["Cluster"]))
    assert "worker" in deployed.type(blocks()["look"])


def test_what_was_uploaded_through_nginx_is_a_hit_on_both_nodes_and_a_study_meets_one(
    deployed: Cluster, stored: Sample
) -> None:
    for prefix in ("", "/nodes/a", "/nodes/b"):
        (part,) = parts_of(deployed.ask("GET", prefix + frame(stored, 2)))
        assert part.payload == list(stored.pixels())[1].tobytes()
    before = {node: deployed.status(node)["Hits"] for node in "ab"}
    for number in (1, 2, 3, 1, 2, 3):
        deployed.ask("GET", frame(stored, number)).raise_for_status()
    gained = sorted(deployed.status(node)["Hits"] - before[node] for node in "ab")
    assert gained == [0, 6]


def test_it_is_in_the_archive_in_s3(deployed: Cluster, stored: Sample, s3_server: S3Server) -> None:
    path = InstancePath(stored.study_instance_uid, stored.series_instance_uid, stored.sop_instance_uid)
    wait(
        lambda: sum(deployed.status(node)["ArchiveWritten"] for node in "ab") > 0,
        lambda: str([deployed.status(node)["Archive"] for node in "ab"]),
    )
    with Tree.open(f"s3://{BUCKET}/archive", options=s3_server.settings) as tree:
        assert [bytes(one) for one in tree.frames(path, [1, 2, 3])] == [one.tobytes() for one in stored.pixels()]


@pytest.mark.usefixtures("stored")
def test_a_worker_exports_what_the_nodes_have(deployed: Cluster) -> None:
    deployed.type(blocks()["export"])
    wait(lambda: pieces(deployed, "export")["Done"] > 0, lambda: str(pieces(deployed, "export")))
    query = "SELECT DISTINCT node FROM framecache.shared_pieces WHERE kind = 'export'"
    told = deployed.compose(f'exec -T postgresql psql --username=orthanc --tuples-only --command="{query}"')
    assert told.strip().startswith("worker@")


def test_while_a_node_is_down_the_other_serves_and_takes_uploads_until_both_are_made_anew(
    deployed: Cluster, stored: Sample, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = {node: deployed.status(node)["Hits"] for node in "ab"}
    assert hit(deployed)
    (serving,) = [node for node in "ab" if deployed.status(node)["Hits"] > before[node]]
    deployed.compose(f"kill orthanc-{serving}")
    (part,) = parts_of(deployed.ask("GET", frame(stored, 3)))
    assert part.payload == list(stored.pixels())[2].tobytes()
    upload(deployed, OTHER, tmp_path_factory)
    deployed.ask("GET", frame(OTHER, 1)).raise_for_status()

    deployed.type(blocks()["upgrade"])
    wait(lambda: hit(deployed, f"/nodes/{serving}"), lambda: deployed.compose("logs --tail=20"))
    (part,) = parts_of(deployed.ask("GET", f"/nodes/{serving}{frame(OTHER, 1)}"))
    assert part.payload == next(iter(OTHER.pixels())).tobytes()


@pytest.mark.usefixtures("stored")
def test_what_was_deleted_after_a_backup_is_there_again_after_it_is_restored(deployed: Cluster) -> None:
    def studies() -> list[str]:
        answer = deployed.ask("GET", "/studies")
        return answer.json() if answer.ok else []

    before = studies()
    deployed.type(blocks()["backup"])
    for study in before:
        deployed.ask("DELETE", f"/studies/{study}").raise_for_status()
    deployed.type(blocks()["restore"])
    wait(lambda: sorted(studies()) == sorted(before), lambda: deployed.compose("logs --tail=20"))
    (part,) = parts_of(deployed.ask("GET", frame(SAMPLE, 1)))
    assert part.payload == next(iter(SAMPLE.pixels())).tobytes()


@pytest.mark.parametrize("missing", SECRETS)
def test_without_a_secret_compose_refuses_in_one_line(missing: str, docker_compose_command: str) -> None:
    environment = {**os.environ, **dict.fromkeys(SECRETS, "given")}
    del environment[missing]
    command = [*docker_compose_command.split(), "-f", str(CHECKOUT / "docker-compose.cluster.yml"), "up", "--detach"]
    refused = subprocess.run(command, check=False, env=environment, cwd="/", capture_output=True, text=True)
    assert refused.returncode != 0
    assert refused.stderr.strip().count("\n") == 0
    assert "choose one" in refused.stderr
