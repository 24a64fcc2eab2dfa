"""Deletions that nobody told of are found, but an Orthanc that lacks nearly all has not deleted them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from framecache.archiving.deletion_audit import DeletionAudit
from framecache.archiving.ledger import Ledger
from framecache.orthanc.instance_index import InstanceIndex

from tests.unit.fakes import PATH, FakeApi, FakeClock, orthanc_id, recorded_log, uuid


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "archive.sqlite")
    for number in range(10):
        ledger.note(orthanc_id(number), PATH, uuid(number))
    yield ledger
    ledger.close()


def an_orthanc(*numbers: int) -> FakeApi:
    api = FakeApi()
    for number in numbers:
        api.store(b"file", orthanc_id=orthanc_id(number), uuid=uuid(number))
    return api


def audit_of(api: FakeApi, ledger: Ledger, clock: FakeClock) -> DeletionAudit:
    return DeletionAudit(InstanceIndex(api), ledger, clock, batch=3, few=2, round_seconds=60)


def run(audit: DeletionAudit) -> int:
    steps = 0
    while audit.step():
        steps += 1
    return steps


def deleted(ledger: Ledger) -> list[str]:
    return [one.orthanc_id for one in ledger.waiting(100) if one.task == "delete"]


def test_what_orthanc_has_no_more_is_deleted_after_a_whole_round(ledger: Ledger) -> None:
    audit = audit_of(an_orthanc(*range(1, 9)), ledger, FakeClock())

    assert run(audit) == 5
    assert deleted(ledger) == [orthanc_id(0), orthanc_id(9)]


def test_too_many_are_left_alone_and_told(ledger: Ledger) -> None:
    with recorded_log() as log:
        run(audit_of(an_orthanc(1, 2), ledger, FakeClock()))

    assert deleted(ledger) == []
    assert "Orthanc lacks 8 archived instances" in log.of("warning")[0]


def test_a_round_is_due_again_after_a_while(ledger: Ledger) -> None:
    api, clock = an_orthanc(*range(10)), FakeClock()
    audit = audit_of(api, ledger, clock)
    run(audit)
    api.delete(orthanc_id(5))

    assert run(audit) == 0
    clock.now += 61
    assert run(audit) == 5
    assert deleted(ledger) == [orthanc_id(5)]
