"""An Orthanc with an archive behind it, both in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from framecache.archiving.archive_inbox import ArchiveInbox
from framecache.archiving.archive_writer import ArchiveWriter
from framecache.archiving.ledger import Ledger
from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.identity import InstancePath
from framecache.errors import NotFound
from framecache.instances.archive import Archive
from framecache.instances.entry import Entry
from framecache.instances.stored_files import StoredFiles
from framecache.policy.policy import Policy
from framecache.policy.rule import ArchiveWrite, Rule
from framecache.shared_buffers import SharedBuffers
from framecache.tree.errors import Unreachable
from framecache.tree.forms import FormMaker
from framecache.tree.tree import Tree

from tests.unit.dicom_files import INSTANCE, SERIES, STUDY, native
from tests.unit.fakes import FakeClock, WatchedStore, orthanc_id
from tests.unit.harness import Harness

PIXELS = bytes(range(72))


def content(number: int, pixels: bytes = PIXELS) -> bytes:
    return native(pixels, SOPInstanceUID=f"{INSTANCE}.{number}")


def path(number: int) -> InstancePath:
    return InstancePath(STUDY, SERIES, f"{INSTANCE}.{number}")


class FailingFiles(StoredFiles):
    """Stored files, which cannot be opened as long as there is an `error`."""

    error: Exception | None = None

    @contextmanager
    def open_as_stored(self, entry: Entry, *, whole: bool = False) -> Iterator[ByteReader]:
        if self.error:
            raise self.error
        with super().open_as_stored(entry, whole=whole) as opened:
            yield opened


class Site:
    """An Orthanc and its archive, which may be away."""

    def __init__(
        self,
        folder: Path,
        rules: tuple[Rule, ...] = (Rule(),),
        *,
        usually: ArchiveWrite = "arrival",
        revives: bool = False,
        form: FormMaker | None = None,
    ) -> None:
        self.form = form
        self.harness = Harness(folder, WatchedStore(), FakeClock(), Policy(rules, "copy"))
        self.tree, self.is_away = Tree.open("memory://"), False
        self.ledger_path = folder / "archive.sqlite"
        self.ledger = Ledger(self.ledger_path)
        self.archive = self._archive_at("memory://first")
        self.ledger.move_to(0)
        self.files = FailingFiles(self.harness.api, SharedBuffers(1 << 20))
        self.writer = self.new_writer(usually, revives=revives)
        self.inbox = ArchiveInbox(self.ledger, self.harness.metrics, self.writer.wake)

    def _open(self) -> Tree:
        if self.is_away:
            raise Unreachable("nobody answers")
        return self.tree

    def new_writer(self, usually: ArchiveWrite = "arrival", *, revives: bool = False) -> ArchiveWriter:
        harness = self.harness
        return ArchiveWriter(
            harness.api,
            self.archive,
            self.ledger,
            harness.catalogue,
            self.files,
            harness.scheduler,
            harness.metrics,
            harness.clock,
            usually=usually,
            revives=revives,
            form=self.form,
            retry_seconds=0.02,
            late_seconds=0.02,
        )

    def start(self) -> None:
        self.inbox.start()
        self.writer.start()

    def store(self, number: int, pixels: bytes = PIXELS) -> str:
        name = self.harness.take_in(number, content(number, pixels))
        self.writer.announce()
        return name

    def delete(self, number: int) -> None:
        self.harness.api.delete(orthanc_id(number))
        self.inbox.deleted(orthanc_id(number))

    def has(self, number: int, pixels: bytes = PIXELS) -> bool:
        try:
            return bytes(self.tree.frame(path(number), 2)) == pixels[24:48]
        except NotFound:
            return False

    def stop(self) -> None:
        for part in (self.inbox, self.writer):
            part.stop()
            part.join(30)
        self.ledger.close()

    def resume(self) -> None:
        """After `stop`, with whatever ledger lies there now."""
        self.ledger = Ledger(self.ledger_path)
        self.writer = self.new_writer()
        self.inbox = ArchiveInbox(self.ledger, self.harness.metrics, self.writer.wake)
        self.start()

    def move(self, tree: Tree, url: str) -> None:
        """Restart it with another archive."""
        self.stop()
        self.tree, self.archive = tree, self._archive_at(url)
        self.resume()

    def _archive_at(self, url: str) -> Archive:
        harness = self.harness
        return Archive(self._open, harness.desk, harness.clock, harness.metrics, url=url)

    def close(self) -> None:
        for part in (self.inbox, self.writer):
            part.stop()
            part.join(30)
        self.harness.close()
        self.tree.close()
        self.ledger.close()
