"""What is counted, and that nothing is lost when many count at once."""

from __future__ import annotations

import threading
import time
import timeit

import pytest
from framecache.telemetry.metrics import Metrics


def test_hits_and_misses_follow_from_how_answers_were_found() -> None:
    metrics = Metrics()
    metrics.served("frames", "hit", 0.001)
    metrics.served("frames", "not_modified", 0.001)
    metrics.served("rendered", "hit", 0.001)
    metrics.served("frames", "miss", 0.1)
    metrics.missed("queued")
    metrics.served("instance", "file", 0.5)
    metrics.served("instance", "not_modified", 0.0001)

    assert (metrics["hits"], metrics["misses"], metrics["not_modified"]) == (3, 1, 2)
    assert metrics.causes("misses") == {"queued": 1}
    assert metrics.serving()["frames", "miss"].total == 0.1
    # Whole files are no frames: their times would say nothing of the cache.
    assert sum(metrics.sums().latency) == 4


def test_what_was_filled_and_what_left_is_counted_with_its_bytes() -> None:
    metrics = Metrics()
    metrics.extracted(3, 300, 0.5)
    metrics.extracted(2, 200, 0.25)
    metrics.removed("size", 2, 450)
    metrics.removed("purged", 1, 50)

    assert (metrics["extracted_frames"], metrics["extracted_bytes"]) == (5, 500)
    assert (metrics.extraction().count, metrics.extraction().total) == (2, 0.75)
    assert (metrics["evicted_instances"], metrics["evicted_bytes"]) == (3, 500)
    assert metrics.causes("evicted_instances") == {"size": 2, "purged": 1}
    assert metrics.causes("evicted_bytes") == {"size": 450, "purged": 50}


def test_nothing_is_lost_where_many_count_at_once() -> None:
    metrics = Metrics()

    def count() -> None:
        for _ in range(20_000):
            metrics.served("frames", "hit", 0.001)
            metrics.count("errors")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (metrics["hits"], metrics["errors"]) == (80_000, 80_000)


@pytest.mark.slow
def test_a_hit_pays_little_for_being_counted() -> None:
    """The bound is 1.5 µs on a quiet machine; the best of some rounds is hardly disturbed by others."""
    metrics = Metrics()
    rounds = timeit.repeat(
        lambda: metrics.served("frames", "hit", 0.00014), number=20_000, repeat=7, timer=time.thread_time
    )

    assert min(rounds) / 20_000 < 1.5e-6
