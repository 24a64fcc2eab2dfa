"""The archive follows Orthanc: new instances, replaced and deleted ones; and nothing waits for it while it is away."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from framecache.archiving.deletion import end_all
from framecache.archiving.ledger import Written
from framecache.dicom.identity import InstancePath
from framecache.errors import BrokenPixelData, FrameCacheError, HandOver, NotFound, Overloaded, SourceError
from framecache.policy.rule import ArchiveWrite, Rule
from framecache.prefetch.task import Priority
from framecache.tree.changes import Correction
from framecache.tree.errors import Unreachable
from framecache.tree.objects import Objects
from framecache.tree.source import Source
from framecache.tree.tree import Tree

from tests.unit.archiving.site import PIXELS, Site, content, path
from tests.unit.dicom_files import INSTANCE, SERIES, STUDY
from tests.unit.fakes import eventually, orthanc_id, recorded_log, uuid
from tests.unit.tree.forms import Reversed
from tests.unit.tree.places import contents


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


def test_what_is_stored_is_written_once_with_the_attachment_that_it_is_of(site: Site) -> None:
    site.start()
    for number in (1, 2):
        site.store(number)

    assert eventually(lambda: site.has(1) and site.has(2))
    assert site.tree.record(path(1)).origin.attachment_uuid == uuid(1)
    assert eventually(lambda: site.writer.behind == 0)
    assert eventually(lambda: site.harness.metrics["archive_written"] == 2)  # counted behind the note


def test_what_is_replaced_is_replaced_in_the_archive(site: Site) -> None:
    site.start()
    site.store(1)
    assert eventually(lambda: site.has(1))

    site.harness.api.delete(orthanc_id(1))
    other = PIXELS[::-1]
    site.harness.api.store(content(1, other), orthanc_id=orthanc_id(1), uuid=uuid(9), path=path(1))
    site.inbox.deleted(orthanc_id(1))
    site.writer.announce()

    assert eventually(lambda: site.has(1, other))
    assert site.harness.metrics["archive_deleted"] == 0


def test_a_deletion_reaches_the_archive_and_what_others_wrote_stays(site: Site) -> None:
    site.start()
    for number in (1, 2, 3):
        site.store(number)
    assert eventually(lambda: site.writer.behind == 0 and site.has(3))

    site.delete(1)
    assert eventually(lambda: not site.has(1))
    assert site.has(2)
    site.ledger.note(orthanc_id(2), path(2), uuid(99))
    site.delete(2)
    site.delete(3)
    assert eventually(lambda: not site.has(3))
    assert site.has(2)


def test_a_deletion_that_nobody_told_of_reaches_the_archive_too(site: Site) -> None:
    site.store(1)
    site.ledger.note(orthanc_id(2), path(2), uuid(2))
    list(site.tree.add([Source("two", Source.content(content(2)).open, uuid(2))]))
    assert site.has(2)

    site.start()
    assert eventually(lambda: site.has(1) and not site.has(2))


@pytest.mark.parametrize("revives", [False, True])
def test_what_was_deleted_and_is_sent_again_is_written_again_if_it_is_wanted(tmp_path: Path, *, revives: bool) -> None:
    site = Site(tmp_path, revives=revives)
    site.start()
    site.store(1)
    assert eventually(lambda: site.has(1))
    site.delete(1)
    assert eventually(lambda: not site.has(1))

    site.store(1)
    metrics = site.harness.metrics
    assert eventually(lambda: metrics["archive_written"] + metrics["archive_skipped"] == 2)
    assert (site.has(1), metrics["archive_skipped"]) == ((True, 0) if revives else (False, 1))
    site.close()


@pytest.mark.parametrize(
    ("usually", "rule", "opened", "is_there"),
    [
        ("arrival", None, False, True),
        ("demand", None, False, False),
        ("demand", None, True, True),
        ("never", None, True, False),
        ("never", "arrival", False, True),
        ("arrival", "never", True, False),
        ("arrival", "demand", False, False),
        ("never", "demand", True, True),
    ],
)
def test_the_setting_says_what_is_written_and_rules_say_otherwise(
    tmp_path: Path,
    usually: ArchiveWrite,
    rule: ArchiveWrite | None,
    opened: bool,  # noqa: FBT001
    is_there: bool,  # noqa: FBT001
) -> None:
    site = Site(tmp_path, (Rule(archive=rule),), usually=usually)
    site.store(1)
    if opened:
        site.inbox.wanted(orthanc_id(1))
    site.start()

    assert eventually(lambda: site.writer.behind == 0 and site.ledger.position == site.harness.api.last_change)
    assert site.has(1) == is_there
    site.close()


def test_a_bad_file_stops_nothing(site: Site) -> None:
    site.harness.take_in(1, b"no DICOM file")
    site.store(2)
    site.start()

    assert eventually(lambda: site.has(2))
    assert eventually(lambda: site.harness.metrics["archive_skipped"] == 1)
    assert eventually(lambda: site.writer.behind == 0)


@pytest.mark.parametrize("error", [Overloaded("no memory"), SourceError("the disk fails"), HandOver("out of reach")])
def test_what_could_not_be_read_is_tried_again(site: Site, error: FrameCacheError) -> None:
    site.files.error = error
    site.store(1)
    site.start()
    assert eventually(lambda: site.ledger.position == site.harness.api.last_change)
    assert eventually(lambda: site.writer.behind == 1)
    assert site.harness.metrics["archive_skipped"] == 0

    site.files.error = None
    site.harness.clock.now += 40
    site.writer.wake()
    assert eventually(lambda: site.has(1) and site.writer.behind == 0)


def test_what_was_opened_as_it_arrived_and_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    site = Site(tmp_path, usually="demand")
    site.files.error = Overloaded("no memory")
    site.store(1)
    site.inbox.wanted(orthanc_id(1))
    site.inbox.start()
    assert eventually(lambda: site.ledger.number_waiting == 1)
    site.writer.start()
    assert eventually(lambda: site.ledger.position == site.harness.api.last_change)

    site.files.error = None
    site.harness.clock.now += 40
    site.writer.wake()
    assert eventually(lambda: site.has(1))
    site.close()


def test_what_cannot_be_read_for_days_is_given_up_and_counted(site: Site) -> None:
    site.files.error = Overloaded("no memory")
    site.store(1)
    site.start()

    def is_given_up() -> bool:
        site.harness.clock.now += 86_400
        site.writer.wake()
        return site.harness.metrics["archive_skipped"] == 1

    assert eventually(is_given_up)
    assert eventually(lambda: site.writer.behind == 0)


def test_a_broken_file_is_not_tried_again(site: Site) -> None:
    site.files.error = BrokenPixelData("it ends too early")
    site.store(1)
    site.start()
    assert eventually(lambda: site.harness.metrics["archive_skipped"] == 1 and site.writer.behind == 0)


def test_an_instance_whose_uids_another_patient_has_is_written_once_it_is_alone(site: Site) -> None:
    site.store(1)
    api = site.harness.api
    api.store(content(1), orthanc_id=orthanc_id(2), uuid=uuid(2), path=path(1))
    site.start()
    assert eventually(lambda: site.ledger.position == api.last_change)
    assert eventually(lambda: site.writer.behind == 2)

    api.delete(orthanc_id(2))
    site.harness.clock.now += 40
    site.writer.wake()
    assert eventually(lambda: site.has(1) and site.writer.behind == 0)


def test_what_was_opened_after_it_was_deleted_is_deleted(site: Site) -> None:
    site.start()
    site.store(1)
    assert eventually(lambda: site.has(1))
    site.harness.api.delete(orthanc_id(1))
    site.inbox.wanted(orthanc_id(1))
    assert eventually(lambda: not site.has(1))


@pytest.mark.parametrize("to_study", ["", "1.2.9"])
def test_a_deletion_reaches_what_a_correction_moved(site: Site, to_study: str) -> None:
    site.start()
    for number in (1, 2):
        site.store(number)
    assert eventually(lambda: site.has(1) and site.has(2))
    moved = InstancePath(to_study or STUDY, "1.2.8", f"{INSTANCE}.1")
    correction = Correction(
        STUDY, "a mix-up", SERIES, (f"{INSTANCE}.1",), to_study=to_study, to_series=moved.series_instance_uid
    )
    site.tree.correct(correction)
    assert site.tree.frame(moved, 1)

    site.delete(1)
    assert eventually(lambda: site.harness.metrics["archive_deleted"] == 1)
    with pytest.raises(NotFound):
        site.tree.frame(moved, 1)
    assert site.has(2)
    site.store(1)
    assert eventually(lambda: site.harness.metrics["archive_skipped"] == 1)


@pytest.mark.parametrize(
    ("rule", "form", "is_added"),
    [
        (Rule(form="HTJ2K"), Reversed(), True),
        (Rule(form="stored"), Reversed(), False),
        (Rule(form="HTJ2K"), Reversed(fails_at=2), False),
    ],
)
def test_a_form_is_added_where_a_rule_wants_it_and_it_can_be_made(
    tmp_path: Path,
    rule: Rule,
    form: Reversed,
    is_added: bool,  # noqa: FBT001
) -> None:
    site = Site(tmp_path, (rule,), form=form)
    site.start()
    site.store(1)
    assert eventually(lambda: site.harness.metrics["archive_written"] == 1)
    assert site.has(1)
    record = site.tree.record(path(1))
    if is_added:
        [frame] = site.tree.frames_in(record, form.transfer_syntax_uid, [2])
        assert bytes(frame) == PIXELS[24:48][::-1]
    else:
        with pytest.raises(NotFound):
            site.tree.frames_in(record, form.transfer_syntax_uid, [2])
    site.close()


def has_form(site: Site, form: Reversed) -> bool:
    try:
        return bool(site.tree.frames_in(site.tree.record(path(1)), form.transfer_syntax_uid, [1]))
    except NotFound:
        return False


@pytest.mark.parametrize("error", [Overloaded("no memory"), OSError("no room"), Unreachable("nobody answers")])
def test_a_form_that_cannot_be_made_for_a_while_is_made_later(tmp_path: Path, error: Exception) -> None:
    site, form = Site(tmp_path, (Rule(form="HTJ2K"),)), Reversed()
    site.form, form.error = form, error
    site.writer = site.new_writer()
    site.start()
    site.store(1)
    assert eventually(lambda: form.failed > 0 and site.writer.behind > 0)
    assert site.has(1)

    form.error = None

    def is_made() -> bool:
        site.harness.clock.now += 100  # again: the thread may note only now when it tries again
        site.writer.wake()
        return has_form(site, form) and site.writer.behind == 0

    assert eventually(is_made)
    assert site.harness.metrics["archive_written"] == 1
    site.close()


@pytest.mark.parametrize("is_deleted", [False, True])
def test_what_viewers_could_not_be_shown_at_once_is_shown_later(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    is_deleted: bool,  # noqa: FBT001
) -> None:
    """A study that was added, or deleted, as the archive went out of reach."""
    derive, failing, failed = Tree.derive_studies, threading.Event(), threading.Event()

    def derive_or_fail(tree: Tree, studies: set[str], *, anew: bool = False) -> None:
        if failing.is_set():
            failed.set()
            raise Unreachable("nobody answers")
        derive(tree, studies, anew=anew)

    monkeypatch.setattr(Tree, "derive_studies", derive_or_fail)
    site.start()
    if is_deleted:
        site.store(1)
        assert eventually(lambda: site.writer.behind == 0 and len(site.tree.studies()) == 1)
    failing.set()
    if is_deleted:
        site.delete(1)
    else:
        site.store(1)
    assert failed.wait(60)
    failing.clear()
    assert eventually(lambda: site.writer.behind == 0 and len(site.tree.studies()) == (0 if is_deleted else 1))


def test_a_study_that_cannot_be_shown_does_not_hold_up_others_for_ever(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    derive = Tree.derive_studies

    def derive_or_fail(tree: Tree, studies: set[str], *, anew: bool = False) -> None:
        if STUDY in studies:
            raise KeyError("a study that no code was written for")
        derive(tree, studies, anew=anew)

    monkeypatch.setattr(Tree, "derive_studies", derive_or_fail)
    site.start()
    site.store(1)
    assert eventually(lambda: site.ledger.position == site.harness.api.last_change)
    assert site.has(1)


def test_what_is_deleted_before_its_form_is_made_is_deleted_in_the_archive(tmp_path: Path) -> None:
    form = Reversed()
    form.error = Unreachable("nobody answers")
    site = Site(tmp_path, (Rule(form="HTJ2K"),), form=form)
    site.start()
    site.store(1)
    assert eventually(lambda: form.failed > 0)
    site.delete(1)
    assert eventually(lambda: not site.has(1) and site.writer.behind == 0)
    site.close()


def test_the_local_cache_goes_first(site: Site) -> None:
    name = site.store(1)
    site.harness.scheduler.submit(name, Priority.ARRIVED)
    site.start()

    assert not eventually(lambda: site.has(1), 0.5)
    site.harness.workers.start()
    assert eventually(lambda: site.has(1))


def test_an_archive_that_is_away_holds_up_nothing_and_is_caught_up_when_it_is_back(site: Site) -> None:
    site.is_away = True
    site.start()
    site.store(1)
    assert eventually(lambda: site.archive.figures().error == "nobody answers")
    assert eventually(lambda: site.writer.behind > 0)
    assert site.archive.figures().since == site.harness.clock.time()

    tracemalloc.start()
    for number in range(20_000):
        site.writer.announce()
        if number % 2:
            site.inbox.deleted(orthanc_id(number))
    assert eventually(lambda: site.ledger.number_waiting == 10_000)
    # The inbox has the last names in its hands until its transaction has ended.
    assert eventually(lambda: tracemalloc.get_traced_memory()[0] < 1 << 20)
    tracemalloc.stop()

    site.is_away = False
    assert eventually(lambda: site.writer.behind == 0 and site.has(1), 30)
    assert site.archive.figures().error == ""


def test_the_bookmark_survives_a_restart(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.is_away = True
    site.start()
    site.store(1)
    assert eventually(lambda: site.archive.figures().error != "")
    site.writer.stop()
    site.writer.join(30)

    site.is_away = False
    site.writer = site.new_writer()
    site.writer.start()
    assert eventually(lambda: site.has(1))
    site.close()


def test_an_archive_that_stalls_in_the_middle_holds_up_no_event(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    stalled, released = threading.Event(), threading.Event()
    create = type(site.tree.objects).create

    def wait(objects: Objects, key: str, *arguments: Any) -> bool:
        stalled.set()
        released.wait(30)
        return create(objects, key, *arguments)

    monkeypatch.setattr(Objects, "create", wait)
    site.store(1)
    site.start()
    assert stalled.wait(30)

    tracemalloc.start()
    for number in range(2, 20_000):
        site.writer.announce()
        site.inbox.deleted(orthanc_id(number))
    assert eventually(lambda: site.ledger.number_waiting == 19_998)
    # The inbox has the last names in its hands until its transaction has ended.
    assert eventually(lambda: tracemalloc.get_traced_memory()[0] < 1 << 20)
    tracemalloc.stop()
    assert site.harness.catalogue.lookup(path(1)).instance.orthanc_id == orthanc_id(1)

    released.set()
    assert eventually(lambda: site.has(1), 30)


def test_a_deletion_ends_what_was_deleted_though_the_derived_files_are_behind() -> None:
    with Tree.open("memory://") as tree:
        one, two = (Source(str(number), Source.content(content(number)).open, uuid(number)) for number in (1, 2))
        list(tree.add([one]))
        list(tree.add([two], derive=False))

        assert end_all(tree, [Written(path(1), uuid(1))]) == 1
        assert tree.record(path(2)).version == 1


def test_the_same_bytes_sent_again_are_deleted_with_their_instance(site: Site) -> None:
    site.start()
    site.store(1)
    assert eventually(lambda: site.has(1))
    site.harness.api.store(content(1), orthanc_id=orthanc_id(1), uuid=uuid(9), path=path(1))
    site.inbox.deleted(orthanc_id(1))
    site.writer.announce()

    def compared() -> bool:
        written = site.ledger.written(orthanc_id(1))
        return written is not None and written.attachment_uuid == uuid(9)

    assert eventually(compared)
    site.delete(1)
    assert eventually(lambda: not site.has(1))


def test_the_bookmark_waits_for_orthancs_database(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    api, failing = site.harness.api, threading.Event()
    get, post, pages = api.get, api.post, 0

    def get_or_fail(uri: str) -> bytes:
        nonlocal pages
        pages += uri.startswith("/changes?since")
        if failing.is_set() and pages:
            raise SourceError("Orthanc refuses: the database is away")
        return get(uri)

    def get_page(uri: str) -> bytes:
        answer = get_or_fail(uri)
        if uri.startswith("/changes?since"):
            failing.set()
        return answer

    site.store(1)
    monkeypatch.setattr(api, "get", get_page)
    monkeypatch.setattr(api, "post", post)
    site.start()
    assert eventually(failing.is_set)
    assert not eventually(lambda: site.ledger.position != 0, 0.3)
    monkeypatch.setattr(api, "get", get)
    site.writer.wake()
    assert eventually(lambda: site.has(1))


def test_what_is_committed_behind_newer_changes_is_archived(site: Site) -> None:
    late = site.store(1)
    site.store(2)
    api = site.harness.api
    changes = list(api.changes)
    api.changes = [change for change in changes if change["ID"] != late]
    site.start()
    assert eventually(lambda: site.has(2))

    api.changes = changes
    time.sleep(0.05)
    site.writer.announce()
    assert eventually(lambda: site.has(1))


def test_a_form_that_takes_long_holds_up_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    form, begun, released = Reversed(), threading.Event(), threading.Event()

    def make_slowly(_: Reversed, __: bytes, frame: bytes | memoryview, ___: int) -> bytes:
        begun.set()
        released.wait(30)
        return bytes(frame)[::-1]

    monkeypatch.setattr(Reversed, "make", make_slowly)
    site = Site(tmp_path, (Rule(form="HTJ2K"),), form=form)
    site.start()
    site.store(1)
    assert begun.wait(30)
    site.store(2)
    assert eventually(lambda: site.has(2) and len(site.tree.instances(STUDY, SERIES)) == 2)
    site.delete(2)
    assert eventually(lambda: not site.has(2))
    assert not has_form(site, form)

    released.set()
    assert eventually(lambda: has_form(site, form) and site.writer.behind == 0)
    site.close()


def test_a_form_that_waits_survives_a_restart(tmp_path: Path) -> None:
    site, form = Site(tmp_path, (Rule(form="HTJ2K"),)), Reversed()
    site.form, form.error = form, Unreachable("nobody answers")
    site.writer = site.new_writer()
    site.start()
    site.store(1)
    assert eventually(lambda: form.failed > 0)
    site.stop()

    form.error = None
    site.resume()
    assert eventually(lambda: has_form(site, form) and site.writer.behind == 0)
    site.close()


def test_an_archive_that_is_gone_is_not_begun_anew(site: Site) -> None:
    """As where a disk is not mounted: the rest would be written to the folder below."""
    site.start()
    site.store(1)
    assert eventually(lambda: site.has(1) and site.writer.behind == 0)
    objects = site.tree.objects
    kept = contents(site.tree)
    objects.delete(list(kept))

    site.store(2)
    assert eventually(lambda: "is its disk mounted" in site.archive.figures().error)
    assert contents(site.tree) == {}
    for key, content_of_key in kept.items():
        objects.replace(key, content_of_key)
    assert eventually(lambda: site.has(1) and site.has(2) and site.archive.figures().error == "")


def test_no_form_is_written_to_an_archive_that_is_gone(tmp_path: Path) -> None:
    form = Reversed()
    form.error = Unreachable("nobody answers")
    site = Site(tmp_path, (Rule(form="HTJ2K"),), form=form)
    site.start()
    site.store(1)
    assert eventually(lambda: form.failed > 0 and site.ledger.position == site.harness.api.last_change)
    site.stop()
    kept = contents(site.tree)
    site.tree.objects.delete(list(kept))

    form.error = None
    with recorded_log() as log:
        site.resume()
        refused = "archiving as HTJ2K failed: the archive is empty"
        assert eventually(lambda: any(message.startswith(refused) for message in log.of("warning")))
    assert contents(site.tree) == {}
    for key, content_of_key in kept.items():
        site.tree.objects.replace(key, content_of_key)
    assert eventually(lambda: has_form(site, form) and site.writer.behind == 0)
    site.close()
