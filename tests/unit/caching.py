"""What caches instances, wired as in the plugin, over a stand-in for Orthanc and a store in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from framecache.dicom.identity import InstancePath
from framecache.dispatcher import Dispatcher
from framecache.instances.catalogue import Catalogue
from framecache.instances.frame_source import FrameSources
from framecache.policy.policy import Policy, Treatment
from framecache.policy.rule import Described, Mode, Rule
from framecache.ports import Clock
from framecache.prefetch.events import ExtractionStateChanged, InstanceDone, InstanceOpened, StoredFormCached
from framecache.prefetch.extraction import Extractor
from framecache.prefetch.extraction_cost import ExtractionCost
from framecache.prefetch.extraction_states import ExtractionState
from framecache.prefetch.extraction_workers import ExtractionWorkers
from framecache.prefetch.instance_caching import InstanceCaching
from framecache.prefetch.scheduler import Scheduler
from framecache.prefetch.task import Priority, Task
from framecache.serving.representations import Codecs
from framecache.store.buffers import BufferPool
from framecache.store.store import Store
from framecache.telemetry.metrics import Metrics
from framecache.threads import Desk

from tests.unit.dicom_files import EXPLICIT, INSTANCE, SERIES, STUDY, native
from tests.unit.fakes import FakeApi, FakeClock, WatchedStore, eventually, orthanc_id, sources, uuid

MB = 1 << 20


def extraction_workers(
    number: int,
    scheduler: Scheduler,
    catalogue: Catalogue,
    frame_sources: FrameSources,
    store: Store,
    pool: BufferPool,
    metrics: Metrics,
    clock: Clock,
    codecs: Codecs | None = None,
    extraction_cost: ExtractionCost | None = None,
    *,
    pause: float = 5.0,
) -> ExtractionWorkers:
    """So many workers beside the one for the backfill; they are to be started."""
    cost = extraction_cost or ExtractionCost(store.notes, clock)
    extractor, background = (
        Extractor(frame_sources, store, pool, codecs, cost, may_evict=may_evict) for may_evict in (True, False)
    )
    caching = InstanceCaching(catalogue, extractor, background, store, scheduler, metrics, clock)
    return ExtractionWorkers(number, scheduler, caching, catalogue, store, metrics, clock, pause=pause)


class OtherPolicy(Policy):
    """One that a test changes its mind about."""

    other: Treatment | None = None

    def decide(self, instance: Described) -> Treatment:
        return self.other or super().decide(instance)


class CachingBench:
    """A filler with everything around it; its workers start when a test says so."""

    def __init__(
        self,
        folder: Path,
        *,
        has_folder: bool = True,
        codecs: Codecs | None = None,
        rules: Sequence[Rule] = (Rule(),),
        mode: Mode = "copy",
        longest_queue: int = 100_000,
        most_states: int = 10_000,
    ) -> None:
        self.api = FakeApi(folder / "db" if has_folder else None)
        self.store = WatchedStore()
        self.metrics, self.clock = Metrics(), FakeClock()
        self.desk = Desk("test-desk", 1)
        self.pool = BufferPool(64 * MB, 0)
        self.policy, self.opened = OtherPolicy(rules, mode), list[str]()
        self.catalogue = Catalogue(
            self.api, self.store, self.desk, self.clock, folder / "db", 5.0, decide=self.policy.decide
        )
        self.states: list[tuple[str, str]] = []
        self.works: list[tuple[Task, ExtractionState]] = []
        self.done, self.with_stored_form = list[str](), list[str]()
        self.extraction_cost = ExtractionCost(self.store.notes, self.clock)
        self.dispatcher = Dispatcher()
        self.scheduler = Scheduler(
            self.metrics, self.clock, self.dispatcher, longest_queue=longest_queue, most_states=most_states
        )
        self._codecs = codecs
        self.dispatcher.subscribe(InstanceDone, lambda event: self.done.append(event.orthanc_id))
        self.dispatcher.subscribe(StoredFormCached, lambda event: self.with_stored_form.append(event.orthanc_id))
        self.dispatcher.subscribe(InstanceOpened, lambda event: self.opened.append(event.entry.instance.orthanc_id))
        self.dispatcher.subscribe(ExtractionStateChanged, self._note)
        self.make_workers(1)

    def make_workers(self, number: int, pause: float = 5.0) -> None:
        """So many beside the one for the backfill."""
        self.workers = extraction_workers(
            number,
            self.scheduler,
            self.catalogue,
            sources(self.api),
            self.store,
            self.pool,
            self.metrics,
            self.clock,
            self._codecs,
            self.extraction_cost,
            pause=pause,
        )

    def _note(self, event: ExtractionStateChanged) -> None:
        self.states.append((event.task.orthanc_id, event.state.state))
        self.works.append((event.task, event.state))

    def take_in(self, number: int, content: bytes | None = None, syntax: str = EXPLICIT, frames: int = 3) -> str:
        path = InstancePath(STUDY, SERIES, f"{INSTANCE}.{number}")
        return self.api.store(
            content if content is not None else native(bytes(72)),
            orthanc_id=orthanc_id(number),
            uuid=uuid(number),
            path=path,
            syntax=syntax,
            number_of_frames=frames,
        )

    def run(self, *names: str, workers: int = 1, pause: float = 5.0) -> None:
        """Submit what is named, and wait until nothing is left to do."""
        for name in names:
            self.scheduler.submit(name, Priority.ARRIVED)
        self.start(workers, pause)
        assert eventually(lambda: all(self.is_done(name) for name in names))

    def start(self, workers: int = 1, pause: float = 5.0) -> None:
        self.make_workers(workers, pause)
        self.workers.start()

    def is_done(self, name: str) -> bool:
        state = self.scheduler.state(name)
        return state is not None and state.state not in ("queued", "running")

    def first_frames(self) -> list[int]:
        return [row.first for _, row in self.store.rows.values()]
