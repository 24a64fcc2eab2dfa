"""Frames that nobody has asked for yet, with nothing of their files in the page cache."""

from __future__ import annotations

import time

from bench import client
from bench.client import Client, NotAvailable
from bench.figure import Figure, of_seconds, percentile
from bench.lab import Lab, wait_until_cached
from bench.probe import Probe
from bench.process import bytes_read, drop_pages
from bench.subject import Subject

FRAMES_PER_SECOND = 10


def first_frame(data_set: str) -> Probe:
    """The first frame that is asked for of each instance, nothing of it cached."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        server, seconds = lab.emptied(subject), []
        for stored in lab.stored(data_set):
            drop_pages(lab.archive.storage)
            answer = client.get(server.url, stored.frame(max(1, stored.number_of_frames // 2)))
            refuse_other_answers(subject, answer.frame_cache, "miss")
            seconds.append(answer.seconds)
            if subject.has_cache:
                # The filling that follows is not to disturb the next one.
                wait_until_cached(server.url, stored.instance.orthanc_id)
        return of_seconds(seconds)

    return Probe(f"cold first frame, {data_set}", measure)


def in_turn(data_set: str) -> Probe:
    """One frame of each instance after a restart: cached on disk where there is a cache, but not in memory."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        lab.filled(subject, data_set)
        seconds = []
        for number in range(1, (lab.size.repeats if subject.has_cache else lab.size.slow_repeats) + 1):
            server = lab.restarted(subject)
            for stored in lab.stored(data_set):
                answer = client.get(server.url, stored.frame(number))
                refuse_other_answers(subject, answer.frame_cache, "hit")
                seconds.append(answer.seconds)
        return of_seconds(seconds)

    return Probe(f"in turn, {data_set}", measure)


def scroll(data_set: str) -> Probe:
    """A viewer that shows ten frames a second, nothing cached: the longest wait behind the first frame.

    Each frame is asked for at its turn and late if it has not come when the next one is due.
    """

    def measure(lab: Lab, subject: Subject) -> Figure:
        server = lab.emptied(subject)
        stored, connection = lab.stored(data_set)[0], Client(server.url)
        seconds, turn = [], 1 / FRAMES_PER_SECOND
        first = connection.get(stored.frame(1)).seconds
        started = time.monotonic()
        for index, path in enumerate(stored.frames[1:], 1):
            due = started + index * turn
            time.sleep(max(0.0, due - time.monotonic()))
            connection.get(path)
            seconds.append(time.monotonic() - due)
        connection.close()
        late = sum(one > turn for one in seconds)
        raw: dict[str, object] = {"first": first, "seconds": seconds, "late": late}
        return Figure(max(seconds), "s", percentile(seconds, 50), percentile(seconds, 99), raw=raw)

    return Probe(f"cold scroll, {data_set}", measure)


def bytes_for_one_frame(data_set: str) -> Probe:
    """What the process has fetched from disk for one cold frame, as a multiple of the frame's size."""

    def measure(lab: Lab, subject: Subject) -> Figure:
        server, shares = lab.emptied(subject), []
        for stored in lab.stored(data_set):
            drop_pages(lab.archive.storage)
            before = bytes_read(server.pid)
            answer = client.get(server.url, stored.frame(stored.number_of_frames // 2))
            refuse_other_answers(subject, answer.frame_cache, "miss")
            shares.append((bytes_read(server.pid) - before) / answer.length)
        return Figure(percentile(shares, 50), "× frame", raw={"shares": shares})

    return Probe(f"bytes read for one cold frame, {data_set}", measure)


def refuse_other_answers(subject: Subject, frame_cache: str, wanted: str) -> None:
    """Raise NotAvailable when the plugin is measured and did not answer in the way that is to be measured."""
    if subject.has_cache and frame_cache != wanted:
        raise NotAvailable(f"the answer is a {frame_cache or 'bypass'}, not a {wanted}")
