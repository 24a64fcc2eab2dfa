"""Two Orthancs on one PostgreSQL and one folder of files: what changes on one is true on the other at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from framecache.tree.tree import Tree

from dev.postgresql import Postgresql
from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import Archive, stop, wait_until
from tests.integration.hammer import hammer
from tests.integration.nodes import two_nodes
from tests.integration.workers import Workers, check_archive, export_over_a_kill

pytestmark = [pytest.mark.orthanc, pytest.mark.slow]

SMALL = Sample(frames=4, rows=64, columns=96)
LOSSLESS_JPEG = "1.2.840.10008.1.2.4.70"
# Of 1 MB each, so one node alone takes eight seconds for eight, and one that is planning takes its share, too.
LONG = 80
RULES = [{"Modality": "US", "Archive": "never"}, {"MinimumFrames": LONG, "Form": "HTJ2K"}, {}]
SHARED = {"BackfillMBPerSecond": 1, "Rules": RULES}
SMALL_FORM = 'multipart/related; type="image/jphc"; transfer-syntax=1.2.840.10008.1.2.4.202'
Nodes = tuple[Archive, Archive]


@pytest.fixture(scope="module")
def suite() -> str:
    """One of both, as two Orthancs take their time; those with their files in a bucket are of the other one."""
    return "forky"


@pytest.fixture(scope="module")
def postgresql(suite: str) -> Iterator[Postgresql]:
    with Postgresql(suite) as started:
        yield started


@pytest.fixture(scope="module")
def nodes(suite: str, folder: Path, postgresql: Postgresql) -> Iterator[Nodes]:
    with two_nodes(suite, folder, postgresql, SHARED | {"Cluster": postgresql.dsn}) as nodes:
        yield nodes


def payloads(archive: Archive, instance: Instance) -> list[bytes]:
    return [part.payload for part in archive.parts(instance, "1,2,3,4")]


def frames_of(sample: Sample) -> list[bytes]:
    return [frame.tobytes() for frame in sample.pixels()]


def cached_on_both(nodes: Nodes, sample: Sample) -> Instance:
    instance = nodes[0].store(sample)
    nodes[1].wait_until_cached(instance)
    return instance


def test_what_arrived_on_one_is_cached_on_the_other(nodes: Nodes) -> None:
    """Orthanc sends the event only where it arrived; the log of changes is everybody's."""
    instance = cached_on_both(nodes, replace(SMALL, seed=1))
    answer = nodes[1].frames(instance, "1,2,3,4")
    assert answer.headers["X-Frame-Cache"] == "hit"
    assert payloads(nodes[1], instance) == frames_of(replace(SMALL, seed=1))


def test_what_changes_on_one_is_true_on_the_other_at_once_and_leaves_its_disk(nodes: Nodes) -> None:
    """Meanwhile both are hammered: each answer of either is one version that was there."""
    a, b = nodes
    samples = {
        name: replace(SMALL, seed=seed)
        for seed, name in enumerate(("deleted", "overwritten", "modified", "compressed"))
    }
    instances = {name: cached_on_both(nodes, sample) for name, sample in samples.items()}
    old = b.cached_files()

    a.delete(f"/instances/{instances['deleted'].orthanc_id}")
    assert b.frames(instances["deleted"], "1").status_code == 404

    other = replace(samples["overwritten"], rows=SMALL.columns, columns=SMALL.rows)  # of the same length
    a.store(other, cached=False)
    assert payloads(b, instances["overwritten"]) == frames_of(other)

    series = a.get_json(f"/instances/{instances['modified'].orthanc_id}/series")["ID"]
    kept = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
    a.post(
        f"/series/{series}/modify",
        {"Replace": {"SeriesDescription": "new"}, "Keep": kept, "Transcode": LOSSLESS_JPEG, "Force": True},
    )
    assert LOSSLESS_JPEG in b.frames(instances["modified"], "1").headers["Content-Type"]

    a.post(f"/instances/{instances['compressed'].orthanc_id}/attachments/dicom/compress", {})
    assert payloads(b, instances["compressed"]) == frames_of(samples["compressed"])

    hammer(*nodes, in_folder=True)
    wait_until(lambda: old.isdisjoint(b.cached_files()), lambda: str(old & b.cached_files()))


ACTION = {"X-Frame-Cache": "1"}


def act(archive: Archive, path: str) -> dict[str, Any]:
    answer = archive.ask("POST", f"/frame-cache/{path}", headers=ACTION)
    answer.raise_for_status()
    told: dict[str, Any] = answer.json()
    return told


def is_idle(archive: Archive) -> bool:
    queue = archive.get_json("/frame-cache/statistics")["Queue"]
    return (queue["Length"], queue["AtWork"]) == (0, [])


def told(archive: Archive) -> dict[str, Any]:
    answer: dict[str, Any] = archive.get_json("/frame-cache/backfill")
    return answer


def test_a_worker_that_is_killed_loses_nothing_and_another_one_goes_on(
    nodes: Nodes, postgresql: Postgresql, folder: Path
) -> None:
    """The first reads through Orthanc, the other one from its storage. The rules leave one instance out."""
    samples = [replace(SMALL, seed=30, series_number=1 + number) for number in range(15)]
    left_out = replace(SMALL, kind="ultrasound", seed=50)
    for sample in (*samples, left_out):
        nodes[0].store(sample, cached=False)
    archive = f"file://{folder}/archive"
    export_over_a_kill(Workers(nodes, postgresql, archive), (), ("--storage", f"{folder}/storage"))
    with Tree.open(archive) as tree:
        assert len(tree.studies()) == len(nodes[1].get_json("/studies")) - 1
        check_archive(tree, samples)
        assert left_out.study_instance_uid not in str(tree.studies())


def test_a_backfill_is_shared_and_each_instance_cached_by_one_node(nodes: Nodes) -> None:
    a, b = nodes
    instances = [a.store(replace(SMALL, frames=LONG, seed=20 + number), cached=False) for number in range(8)]
    for node in nodes:
        for instance in instances:
            node.wait_until_cached(instance)
    for node in nodes:
        wait_until(lambda node=node: is_idle(node))  # type: ignore[misc]
        for study in node.get_json("/studies"):
            act(node, f"studies/{study}/purge")
        wait_until(lambda node=node: not node.cached_files())  # type: ignore[misc]
    assert told(b)["State"] == "off"
    act(a, "backfill/start")
    wait_until(lambda: told(b)["State"] == "done", lambda: str((told(a), told(b))))

    both = [[node.progress(one)["State"] for node in nodes] for one in instances]
    assert [sorted(states) for states in both] == [["cached", "not cached"]] * len(instances)
    assert {states.index("cached") for states in both} == {0, 1}
    for instance, states in zip(instances, both, strict=True):  # the small form is a part of the piece
        answer = nodes[states.index("cached")].frames(instance, f"{LONG}", SMALL_FORM)
        assert answer.headers["X-Frame-Cache"] == "hit"
    total = len(a.get_json("/instances"))
    # Each node asks for the figures now and then.
    wait_until(lambda: [(told(node)["Done"], told(node)["Total"]) for node in nodes] == [(total, total)] * 2)
    assert [job["Kind"] for job in b.get_json("/frame-cache/jobs")["Jobs"] if job["Kind"] == "backfill"]
    for node in nodes:
        assert node.status()["Settings"]["Cluster"] == "(set)"
        stop(node.server)
