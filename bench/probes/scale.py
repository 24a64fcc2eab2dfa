"""Very many cached frames against a thousand: start-up, memory, and a hit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from bench import client
from bench.figure import Figure, of_load
from bench.lab import Lab
from bench.probe import Together
from bench.process import resident_bytes
from bench.subject import Subject

START_UP, MEMORY, HIT = "start-up", "memory", "hit"


class Scale(Together):
    """All three are measured on a cache that holds nothing else.

    START_UP: from the start of the process to the first frame from the cache, in seconds.
    MEMORY: Orthanc's when every instance has been asked for once since the start, in MB.
    HIT: the median of one client over a thousand frames, taken evenly from all instances.
    """

    def _measure(self, lab: Lab, subject: Subject) -> Mapping[str, Figure]:
        lab.emptied(subject)
        lab.filled(subject, self._data_set)
        lab.stop()
        stored, started = lab.stored(self._data_set), time.monotonic()
        server = lab.server(subject)
        client.get(server.url, stored[-1].frame(1))
        start_up = Figure(time.monotonic() - started, "s")
        for one in stored:
            client.get(server.url, one.frame(1))
        memory = Figure(resident_bytes(server.pid) / 1e6, "MB")
        frames = [frame for one in stored for frame in one.frames]
        hit = of_load(lab.load(subject, server.url, frames[:: max(1, len(frames) // 1000)][:1000], 1))
        return {START_UP: start_up, MEMORY: memory, HIT: replace(hit, value=hit.median or 0.0, unit="s")}
