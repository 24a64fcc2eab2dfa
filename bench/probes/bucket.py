"""Frames of an Orthanc whose files lie in a bucket."""

from __future__ import annotations

import time

import requests

from bench import client
from bench.archive import Stored
from bench.bucket import BucketLab
from bench.client import Client
from bench.figure import Figure, of_seconds, percentile
from bench.lab import Lab
from bench.probe import Probe
from bench.probes.cold import refuse_other_answers
from bench.subject import Subject

FRAMES_PER_SECOND = 32


def first_frame() -> Probe:
    """One frame after a restart, nothing cached."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        seconds = []
        for number in range(1, (lab.size.repeats if subject.has_cache else lab.size.slow_repeats) + 1):
            with lab.bucket.emptied(subject) as server:
                answer = client.get(server.url, _instance(lab.bucket).frame(number * 5))
            refuse_other_answers(subject, answer.frame_cache, "miss")
            seconds.append(answer.seconds)
        return of_seconds(seconds)

    return Probe("cold first frame from a bucket", measure)


def bytes_for_one_frame() -> Probe:
    """What was read from the bucket for it, as a multiple of the frame's size."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        with lab.bucket.emptied(subject) as server:
            answer = client.get(server.url, _instance(lab.bucket).frame(5))
            status = requests.get(f"{server.url}/frame-cache/status", timeout=60).json()
        raw: dict[str, object] = {name: status[name] for name in ("BucketReads", "BucketBytes")}
        return Figure(status["BucketBytes"] / answer.length, "× frame", raw=raw)

    return Probe("bytes read for one cold frame from a bucket", measure)


def second_pass() -> Probe:
    """A viewer scrolls through twice, at up to 32 frames a second: the share of hits the second time."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        with lab.bucket.emptied(subject) as server:
            connection = Client(server.url)
            first, second = (_scroll(connection, _instance(lab.bucket).frames) for _ in range(2))
            connection.close()
        waits = [seconds for seconds, _ in second]
        raw: dict[str, object] = {"first": first, "second": second}
        hits = sum(found == "hit" for _, found in second)
        return Figure(hits / len(second), "of frames are hits", percentile(waits, 50), percentile(waits, 99), raw=raw)

    return Probe("scroll out of a bucket, second pass", measure)


def _scroll(connection: Client, paths: list[str]) -> list[tuple[float, str]]:
    """How long each frame took, and where it came from."""
    turn, answers, due = 1 / FRAMES_PER_SECOND, [], time.monotonic()
    for path in paths:
        time.sleep(max(0.0, due - time.monotonic()))
        answer = connection.get(path)
        answers.append((answer.seconds, answer.frame_cache))
        due = max(due + turn, time.monotonic())
    return answers


def _instance(bucket: BucketLab) -> Stored:
    return bucket.stored[0]
