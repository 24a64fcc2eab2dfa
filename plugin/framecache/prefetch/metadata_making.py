"""Makes the metadata of new instances, and writes what was made for a request.

It has a thread of its own: a header is read within a millisecond, and must not wait behind frames, which take seconds.
What is still waiting when Orthanc stops is made when somebody asks for it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence

from framecache.errors import InstanceGone, NotFound, reason
from framecache.instances.metadata import MetadataMaker
from framecache.orthanc.instance import DescribedInstance
from framecache.store.errors import StoreError
from framecache.store.metadata import InstanceMetadata
from framecache.store.store import Store
from framecache.worker import Worker

logger = logging.getLogger(__name__)

# Instances that are described in some hundred bytes each; more arrive only while the archive is filled.
_MOST_WAITING = 50_000
_MOST_BYTES = 64 << 20
_BATCH = 200  # one transaction


class MetadataMaking:
    """One thread with two queues: of instances, and of metadata that is made already. What does not fit is left out."""

    def __init__(
        self,
        maker: MetadataMaker,
        store: Store,
        forget_stale: Callable[[Sequence[str]], None],
        is_wanted: Callable[[DescribedInstance], bool] = lambda _: True,
        *,
        only_cached: bool = False,
    ) -> None:
        """`is_wanted` chooses new instances. With `only_cached`, what was made for a request is kept of instances of
        which frames are cached. `forget_stale` drops from the store what is not Orthanc's present version of some.
        """
        self._maker, self._store, self._forget_stale = maker, store, forget_stale
        self._is_wanted, self._only_cached = is_wanted, only_cached
        self._instances, self._made = deque[DescribedInstance](), deque[InstanceMetadata]()
        self._bytes = 0
        self._deleted: set[str] = set()
        self._lock = threading.Lock()
        # A failure costs only the first request its time.
        self._worker = Worker("metadata", self._turn, task="keeping metadata", level=logging.INFO)
        self.start, self.stop, self.join = self._worker.start, self._worker.stop, self._worker.join

    def arrived(self, instances: Iterable[DescribedInstance]) -> None:
        """Make the metadata of new instances. Returns at once."""
        wanted = [one for one in instances if one.attachment_uuid and self._is_wanted(one)]
        with self._lock:
            self._instances.extend(wanted[: max(0, _MOST_WAITING - len(self._instances))])
        self._worker.wake()

    def keep(self, made: Sequence[InstanceMetadata]) -> None:
        """Write what was made for a request. Returns at once."""
        with self._lock:
            for one in made:
                if self._bytes + len(one.content) <= _MOST_BYTES:
                    self._bytes += len(one.content)
                    self._made.append(one)
        self._worker.wake()

    def deleted(self, orthanc_id: str) -> None:
        """An instance was deleted or replaced: what is being written of it may have to be removed. Returns at once."""
        with self._lock:
            self._deleted.add(orthanc_id)
        self._worker.wake()

    def _turn(self) -> float | None:
        with self._lock:
            self._forget_deleted()
            instances = [self._instances.popleft() for _ in range(min(_BATCH, len(self._instances)))]
            made = [self._made.popleft() for _ in range(min(_BATCH, len(self._made)))]
            self._bytes -= sum(len(one.content) for one in made)
        if not instances and not made:
            return None
        with contextlib.suppress(StoreError):  # the store itself has logged what is wrong with it
            self._write([*self._still_wanted(made), *self._make(instances)])
        return 0.0

    def _forget_deleted(self) -> None:
        """Their rows, if any, are removed by who removes frames; of what waits nobody else knows."""
        if self._deleted:
            self._bytes -= sum(len(one.content) for one in self._made if one.orthanc_id in self._deleted)
            self._made = deque(one for one in self._made if one.orthanc_id not in self._deleted)
            self._deleted.clear()

    def _still_wanted(self, made: Sequence[InstanceMetadata]) -> Collection[InstanceMetadata]:
        if not made or not self._only_cached:
            return made
        cached = self._store.usage.instances([one.orthanc_id for one in made])
        return [one for one in made if one.orthanc_id in cached]

    def _make(self, instances: Sequence[DescribedInstance]) -> list[InstanceMetadata]:
        """Of those that are not kept already: the log of changes may be read twice."""
        kept, made = self._store.metadata.versions([one.orthanc_id for one in instances]), list[InstanceMetadata]()
        for instance in instances:
            if self._worker.is_stopping:
                return made
            if kept.get(instance.orthanc_id) != instance.attachment_uuid:
                with contextlib.suppress(NotFound, InstanceGone):  # deleted or replaced meanwhile
                    made += self._attempt(instance)
        return made

    def _attempt(self, instance: DescribedInstance) -> list[InstanceMetadata]:
        try:
            return [self._maker.make(instance)]
        except (NotFound, InstanceGone):
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the next is made
            logger.info("there is no metadata of instance %s: %s", instance.orthanc_id, reason(error))
            return []

    def _write(self, metadata: Sequence[InstanceMetadata]) -> None:
        """Who deletes meanwhile finds nothing to remove: what has become stale is removed by the writer."""
        if metadata:
            self._store.metadata.keep(list({one.orthanc_id: one for one in metadata}.values()))
            with self._lock:
                deleted = self._deleted & {one.orthanc_id for one in metadata}
            if deleted:
                self._forget_stale(sorted(deleted))
