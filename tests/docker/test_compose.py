"""docker-compose.yml as a person who deploys meets it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dev.sample import Sample
from tests.docker.deployment import Deployment

pytestmark = [pytest.mark.docker, pytest.mark.slow]

SAMPLE = Sample(frames=3, rows=64, columns=48)
FRAME_BYTES = 64 * 48 * 2


@pytest.fixture(scope="module")
def frame(orthanc: Deployment, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a frame of an instance whose frames have all been pre-extracted."""
    instance = orthanc.upload(SAMPLE.write(tmp_path_factory.mktemp("sample") / "sample.dcm").read_bytes())
    orthanc.wait_until_extracted(instance)
    return (
        f"/dicom-web/studies/{SAMPLE.study_instance_uid}/series/{SAMPLE.series_instance_uid}"
        f"/instances/{SAMPLE.sop_instance_uid}/frames/2"
    )


def test_container_becomes_healthy(orthanc: Deployment) -> None:
    assert orthanc.health() == "healthy"


def test_status_says_that_our_routes_own_the_frames(orthanc: Deployment) -> None:
    status = orthanc.get("/frame-cache/status").json()
    assert status["OwnsFrameRoutes"] is True
    assert [check for check in status["Checks"] if not check["Passed"]] == []
    assert "Tracing" in {check["Name"] for check in status["Checks"]}
    assert status["Settings"]["Directory"] == "/var/cache/framecache"


def test_without_the_password_nothing_is_answered(orthanc: Deployment, frame: str) -> None:
    stranger = Deployment(orthanc.compose_command, orthanc.url, "guess")
    assert stranger.get(frame).status_code == 401
    assert stranger.get("/frame-cache/status").status_code == 401


def test_frame_is_a_hit_the_first_time_it_is_asked_for(orthanc: Deployment, frame: str) -> None:
    answer = orthanc.get(frame)
    assert answer.status_code == 200
    assert answer.headers["X-Frame-Cache"] == "hit"
    assert len(answer.content) > FRAME_BYTES


@pytest.mark.parametrize("anew", ["restart", "up --detach --force-recreate"])
def test_frame_is_still_a_hit_after(anew: str, orthanc: Deployment, frame: str) -> None:
    before = orthanc.get(frame)
    orthanc.compose(anew)
    orthanc.wait_until_answering()
    after = orthanc.get(frame)
    assert after.headers["X-Frame-Cache"] == "hit"
    assert after.content == before.content


def test_only_orthanc_may_read_the_cache(orthanc: Deployment, frame: str) -> None:
    assert orthanc.get(frame).headers["X-Frame-Cache"] == "hit"
    files = orthanc.compose("exec -T orthanc find /var/cache/framecache -type f").split()
    assert files
    assert orthanc.compose("exec -T orthanc find /var/cache/framecache -perm /077") == ""


def test_orthanc_stops_by_itself_when_docker_asks(orthanc: Deployment) -> None:
    orthanc.compose("stop")
    assert orthanc.exit_code() == 0
    orthanc.compose("start")
    orthanc.wait_until_answering()


def test_without_a_password_compose_refuses_in_one_line(docker_compose_command: str, docker_compose_file: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORTHANC_PASSWORD"}
    command = [*docker_compose_command.split(), "-f", docker_compose_file, "up", "--detach"]
    refused = subprocess.run(command, check=False, env=environment, cwd=Path("/"), capture_output=True, text=True)
    assert refused.returncode != 0
    assert refused.stderr.strip().count("\n") == 0
    assert "choose a password" in refused.stderr
