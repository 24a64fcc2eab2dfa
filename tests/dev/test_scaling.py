"""The simulated month adds up, and its caches evict what the real store evicts."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from framecache.store.disk.disk_store import DiskStore

from dev.hospital import Event, Hospital, month, working_time
from dev.lru_cache import LruCache
from dev.scaling import DOCUMENT, TB, Balance, Cluster, Prefetch, Simulation, Traffic, with_tables
from tests.unit.fakes import instance
from tests.unit.store.filled import MB, fill

SMALL = Hospital(studies_per_day=12, readers=6, days=14)
EVENTS = list(month(SMALL))
# A node has room for less than two days.
SCARCE = Cluster(nodes=4, cache_bytes=0.01 * TB)
ENDLESS = replace(SCARCE, cache_bytes=float("inf"))
TICK = 1e-9
SIZE = 4 * MB
LIMIT = 62 * MB
WAYS = [
    replace(SCARCE, balance=balance, prefetch=prefetch, archive=archive)
    for balance in get_args(Balance)
    for prefetch in get_args(Prefetch)
    for archive in (False, True)
]


def run(cluster: Cluster, events: list[Event] = EVENTS) -> Traffic:
    return Simulation(cluster).run(events)


def openings(events: list[Event] = EVENTS) -> list[Event]:
    return [event for event in events if event.reader is not None]


def test_the_same_seed_makes_the_same_month_in_the_order_of_time() -> None:
    assert list(month(SMALL)) == EVENTS
    assert list(month(replace(SMALL, seed=2))) != EVENTS
    assert [event.day for event in EVENTS] == sorted(event.day for event in EVENTS)


def test_a_study_is_opened_after_it_arrived_and_in_working_hours() -> None:
    arrived = {event.study.number: event.day for event in EVENTS if event.reader is None}
    assert openings()
    for event in openings():
        assert event.day > arrived.get(event.study.number, -1)
        assert event.day == working_time(event.day)


def test_some_studies_have_earlier_ones_of_the_same_modality() -> None:
    priors = [(event.study, prior) for event in EVENTS for prior in event.study.priors]
    assert priors
    assert all(prior.number < study.number and prior.modality == study.modality for study, prior in priors)


@pytest.mark.parametrize(
    ("moment", "at_work"),
    [
        (0.5, 0.5),
        (0.9, 1 + 8 / 24 + 0.9 / 12),
        (1.1, 1 + 8 / 24 + 0.1 / 12),
        (4.9, 7 + 8 / 24 + 0.9 / 12),
        (5.5, 7.375),
    ],
)
def test_what_is_opened_at_night_or_on_a_weekend_waits_for_the_morning(moment: float, at_work: float) -> None:
    assert working_time(moment) == pytest.approx(at_work)


@pytest.mark.parametrize("cluster", WAYS, ids=lambda one: f"{one.balance}-{one.prefetch}-{one.archive}")
def test_each_request_is_a_hit_or_a_miss_and_each_miss_is_read_once(cluster: Cluster) -> None:
    traffic = run(cluster)
    asked = cluster.nodes if cluster.balance == "request" else 1

    assert traffic.requests == asked * sum(event.study.modality.instances for event in openings())
    assert traffic.misses > 0
    assert traffic.sent == sum(e.study.modality.instances * e.study.modality.instance_bytes for e in openings())
    assert bool(traffic.from_archive) == cluster.archive
    without_archive = run(replace(cluster, archive=False))
    assert traffic.from_storage + traffic.from_archive == without_archive.from_storage


def test_an_endless_cache_misses_each_instance_once() -> None:
    opened = {event.study.number: event.study.modality for event in openings()}
    arrived = {event.study.number for event in EVENTS if event.reader is None}
    one = replace(ENDLESS, nodes=1)

    assert run(replace(one, prefetch="none")).misses == sum(modality.instances for modality in opened.values())
    assert run(one).misses == sum(modality.instances for number, modality in opened.items() if number not in arrived)
    assert run(replace(one, priors=True)).misses == 0


def test_by_study_several_endless_caches_are_as_good_as_one() -> None:
    many = replace(ENDLESS, balance="study", prefetch="none")
    assert run(many) == run(replace(many, nodes=1))


@pytest.mark.parametrize("balance", ["opening", "reader"])
def test_more_nodes_hit_less_where_nothing_leads_a_study_to_its_node(balance: Balance) -> None:
    clusters = [Cluster(nodes, TB, balance, "receiver") for nodes in (1, 2, 4, 8)]
    ratios = [run(cluster).hit_ratio for cluster in clusters]
    assert ratios == sorted(ratios, reverse=True)
    assert len(set(ratios)) == 4


def test_larger_caches_hit_more() -> None:
    ratios = [run(replace(SCARCE, cache_bytes=size * TB)).hit_ratio for size in (0.005, 0.01, 0.02, 0.04)]
    assert ratios == sorted(set(ratios))


def kept(cache: LruCache, *numbers: int) -> list[int]:
    return [number for number in numbers if (number, 0) in cache]


def test_the_least_recently_used_goes_first_and_what_was_viewed_counts_as_a_day_younger() -> None:
    cache = LruCache(100)
    for number, day in ((1, 0.0), (2, 0.1), (3, 0.2)):
        cache.arrive((number, 0), 30, day)
    assert cache.view((1, 0), 30, 0.3)

    evicted = []
    for number, day in ((4, 0.4), (5, 1.2), (6, 1.4), (7, 2.5), (8, 2.6)):
        before = kept(cache, *range(10))
        cache.arrive((number, 0), 30, day)
        evicted.append(sorted(set(before) - set(kept(cache, *range(10)))))
    assert evicted == [[2], [3], [4], [5], [1]]


def test_what_is_larger_than_the_cache_is_not_cached_and_evicts_nothing() -> None:
    cache = LruCache(100)
    cache.arrive((1, 0), 60, 0)
    assert not cache.arrive((2, 0), 101, 0.1)
    assert not cache.view((2, 0), 101, 0.2)
    assert not cache.view((2, 0), 101, 0.3)
    assert (kept(cache, 1, 2), cache.used) == ([1], 60)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskStore]:
    opened = DiskStore(tmp_path, LIMIT)
    yield opened
    opened.close()


def test_the_store_on_disk_hits_and_misses_as_the_simulated_cache(store: DiskStore) -> None:
    """An event is an hour after the last. Half an instance of the room is for the store's index and journal."""
    cache, chance, hits = LruCache(LIMIT), random.Random(5), list[bool]()
    start, viewed = time.time(), 0.0
    for hour in range(150):
        number = int(chance.triangular(0, 40, 0))
        one, is_cached = instance(number), (number, 0) in cache
        assert bool(store.blocks.of(one)) == is_cached
        if not is_cached:
            fill(store, one, size=SIZE)
        if chance.random() < 0.5:
            viewed = hour / 24
            store.records.touch({one.path: start + hour * 3600})
            hits.append(cache.view((number, 0), SIZE, viewed))
        else:
            cache.arrive((number, 0), SIZE, viewed + TICK)  # the store's clock never goes back behind the last view
    assert 10 < sum(hits) < len(hits) - 10


def test_the_tables_in_the_document_are_what_the_simulator_makes() -> None:
    document = DOCUMENT.read_text()
    assert "| 2 | 0.05 |" in document
    assert with_tables(document, [2]) == document
