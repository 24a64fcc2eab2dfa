"""The area that works without being asked: filling, looking after the store, cleaning up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from framecache.events import Events
from framecache.filling.audit import Audit
from framecache.filling.backlog import Backlog
from framecache.filling.caretaker import Caretaker
from framecache.filling.extraction import Extractor
from framecache.filling.filler import Filler, FillState
from framecache.filling.intake import Intake
from framecache.filling.janitor import Janitor
from framecache.filling.keeper import Keeper
from framecache.filling.pace import Pace
from framecache.filling.sieve import Sieve
from framecache.host.codecs import Codecs
from framecache.host.context import Context
from framecache.host.keeping import Keeping

_PATIENCE_AT_THE_END = 2.0  # seconds


class Filling:
    """The threads of the plugin that work for themselves."""

    def __init__(self, context: Context, keeping: Keeping, codecs: Codecs) -> None:
        settings, metrics, log, api = context.settings, context.metrics, context.log, context.api
        catalogue, store = keeping.catalogue, keeping.store
        policy, backlog = context.policy, Backlog()
        self.pace = Pace(store, context.clock)
        extractor = Extractor(keeping.sources, store, keeping.pool, codecs.background, policy, self.pace)
        on_end = backlog.done, _noted(context.events)
        self.filler = Filler(catalogue, extractor, store, metrics, context.clock, log, policy, *on_end)
        self.intake = Intake(api, self.filler, backlog, store, metrics, log, Sieve(api, log, policy))
        self.janitor = Janitor(catalogue, store, self.filler, log)
        self.keeper = Keeper(catalogue, store, log, policy)
        self._audit = Audit(api, store, self.janitor.deleted, log)
        self._caretaker = Caretaker(store, log)
        self._settings, self._workers = settings, list[threading.Thread]()

    def start(self) -> None:
        """Orthanc answers from now on."""
        self.intake.start()
        self._workers += [self.janitor.start(), self._caretaker.start(self._start_writing)]

    def _start_writing(self) -> None:
        """Behind the check of the folder: a block's file is there before its row is."""
        self._workers += self.filler.start(self._settings.workers)
        self.keeper.start()
        self._audit.start()

    def stop(self) -> None:
        """Ends within the time of one block; returns at once."""
        for worker in (self.intake, self.filler, self.janitor, self.keeper, self._audit, self._caretaker):
            worker.stop()

    def join(self) -> None:
        """Wait a little for those who write."""
        deadline = time.monotonic() + _PATIENCE_AT_THE_END
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))


def _noted(events: Events) -> Callable[[str, FillState], None]:
    """What became of a fill, as an event."""

    def note(orthanc_id: str, state: FillState) -> None:
        if state.state == "cached":
            events.note("cached", "instances", orthanc_id, state.error or "")
        elif state.state == "failed":
            events.note("failed", "instances", orthanc_id, state.error or "")

    return note
