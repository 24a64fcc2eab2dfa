"""The one harness: the plugin's parts, wired as `app.py` wires them, over a fake Orthanc."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from framecache.codecs.direct_codecs import DirectCodecs
from framecache.dicom.identity import InstancePath
from framecache.dicomweb.url import PublicUrl
from framecache.dispatcher import Dispatcher
from framecache.instances.catalogue import Catalogue
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
from framecache.serving.answer import Answer, Reporter
from framecache.serving.file_transcoder import FileTranscoder
from framecache.serving.instance_files import InstanceFiles
from framecache.serving.representations import Codecs
from framecache.store.buffers import BufferPool
from framecache.store.store import Store
from framecache.telemetry.metrics import Metrics
from framecache.threads import Desk

from tests.unit.dicom_files import EXPLICIT, INSTANCE, SERIES, STUDY, native
from tests.unit.fakes import (
    SERIES_ID,
    FakeApi,
    FakeClock,
    WatchedStore,
    eventually,
    orthanc_id,
    sources,
    stored_files,
    uuid,
)

MB = 1 << 20


AnyStore = TypeVar("AnyStore", bound=Store)
AnyClock = TypeVar("AnyClock", bound=Clock)


class Harness(Generic[AnyStore, AnyClock]):
    """All from Orthanc's answers to cached instances; its workers work when a test starts them."""

    def __init__(
        self,
        folder: Path,
        store: AnyStore,
        clock: AnyClock,
        policy: Policy = Policy((Rule(),), "auto"),  # noqa: B008 - it is never changed
        *,
        memory: int = 64 * MB,
        has_folder: bool = True,
        codecs: Codecs | None = None,
        longest_queue: int = 100_000,
        most_states: int = 10_000,
    ) -> None:
        self.api = FakeApi(folder / "db" if has_folder else None)
        self.store, self.clock, self.metrics = store, clock, Metrics()
        self.desk, self.pool = Desk("test-desk", 1), BufferPool(memory, 0)
        self.catalogue = Catalogue(self.api, store, self.desk, clock, folder / "db", 5.0, decide=policy.decide)
        self.dispatcher, self.extraction_cost = Dispatcher(), ExtractionCost(store.notes, clock)
        self.scheduler = Scheduler(
            self.metrics, clock, self.dispatcher, longest_queue=longest_queue, most_states=most_states
        )
        self._codecs = codecs
        self.make_workers(1)

    def make_workers(self, number: int, pause: float = 5.0) -> None:
        """So many beside the one for the backfill; those that were started before go on."""
        parts = (sources(self.api), self.store, self.pool, self._codecs, self.extraction_cost)
        extractor, background = (Extractor(*parts, may_evict=may_evict) for may_evict in (True, False))
        caching = InstanceCaching(
            self.catalogue, extractor, background, self.store, self.scheduler, self.metrics, self.clock
        )
        self.workers = ExtractionWorkers(
            number, self.scheduler, caching, self.catalogue, self.store, self.metrics, self.clock, pause=pause
        )

    def start(self, workers: int = 1, pause: float = 5.0) -> None:
        """Let so many work, beside those that do already."""
        self.make_workers(workers, pause)
        self.workers.start()

    def close(self) -> None:
        """End the workers and the desk."""
        self.workers.stop()
        self.scheduler.close()
        self.desk.close()

    def take_in(
        self,
        number: int,
        content: bytes | None = None,
        syntax: str = EXPLICIT,
        frames: int = 3,
        series: str = SERIES_ID,
    ) -> str:
        """An instance arrives in Orthanc; its Orthanc ID."""
        return self.api.store(
            content if content is not None else native(bytes(72)),
            orthanc_id=orthanc_id(number),
            uuid=uuid(number),
            path=InstancePath(STUDY, SERIES, f"{INSTANCE}.{number}"),
            syntax=syntax,
            number_of_frames=frames,
            series_id=series,
        )


class FilesBench(Harness[WatchedStore, FakeClock]):
    """A harness for retrievals of whole files; at its end, all memory was given back."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, WatchedStore(), FakeClock())
        files = InstanceFiles(FileTranscoder(sources(self.api), DirectCodecs()), self.api, stored_files(self.api))
        reporter = Reporter(self.metrics, self.clock, "instance", "no-cache")
        self.parts = self.catalogue, files, self.pool, reporter, PublicUrl.from_configuration({})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.desk.close()
        assert self.pool.leased == 0


def sent(answer: Answer) -> bytes:
    """All of the body, which is given back behind it."""
    with answer:
        return bytes(answer.body) if isinstance(answer.body, memoryview) else b"".join(map(bytes, answer.body))


class OtherPolicy(Policy):
    """One that a test changes its mind about."""

    other: Treatment | None = None

    def decide(self, instance: Described) -> Treatment:
        return self.other or super().decide(instance)


class CachingBench(Harness[WatchedStore, FakeClock]):
    """A harness over a store in memory, which notes what becomes of instances."""

    def __init__(self, folder: Path, *, rules: Sequence[Rule] = (Rule(),), mode: Mode = "copy", **options: Any) -> None:
        self.policy = OtherPolicy(rules, mode)
        super().__init__(folder, WatchedStore(), FakeClock(), self.policy, **options)
        self.states: list[tuple[str, str]] = []
        self.works: list[tuple[Task, ExtractionState]] = []
        self.done, self.with_stored_form, self.opened = list[str](), list[str](), list[str]()
        subscribe = self.dispatcher.subscribe
        subscribe(InstanceDone, lambda event: self.done.append(event.orthanc_id))
        subscribe(StoredFormCached, lambda event: self.with_stored_form.append(event.orthanc_id))
        subscribe(InstanceOpened, lambda event: self.opened.append(event.entry.instance.orthanc_id))
        subscribe(ExtractionStateChanged, self._note)

    def _note(self, event: ExtractionStateChanged) -> None:
        self.states.append((event.task.orthanc_id, event.state.state))
        self.works.append((event.task, event.state))

    def run(self, *names: str, workers: int = 1, pause: float = 5.0) -> None:
        """Submit what is named, and wait until nothing is left to do."""
        for name in names:
            self.scheduler.submit(name, Priority.ARRIVED)
        self.start(workers, pause)
        assert eventually(lambda: all(self.is_done(name) for name in names))

    def is_done(self, name: str) -> bool:
        state = self.scheduler.state(name)
        return state is not None and state.state not in ("queued", "running")

    def first_frames(self) -> list[int]:
        return [row.first for _, row in self.store.rows.values()]
