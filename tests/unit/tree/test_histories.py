"""Whatever was added, replaced, deleted, moved and taken back, in whatever order: each place shows its own frames."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache

from framecache.dicom.identity import InstancePath
from framecache.tree import layout
from framecache.tree.changes import Correction
from framecache.tree.source import Source
from framecache.tree.tree import Tree
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.unit.dicom_files import native

STUDIES, HOME, OTHER = ("1.2.1", "1.2.2"), "1.2.7", "1.2.8"
INSTANCES = ("1.2.9.1", "1.2.9.2")
FRAME = 24

studies, instances, values = st.sampled_from(STUDIES), st.sampled_from(INSTANCES), st.integers(0, 2)
Key = tuple[str, str]  # study and instance of a file


def pixels(key: Key, value: int) -> bytes:
    """Each file's own: by them it is seen whose frames are shown."""
    first = 1 + 10 * (2 * STUDIES.index(key[0]) + INSTANCES.index(key[1])) + value
    return b"".join(bytes([first + 50 * number]) * FRAME for number in range(3))


@lru_cache
def source(key: Key, value: int) -> Source:
    uids = {"StudyInstanceUID": key[0], "SeriesInstanceUID": HOME, "SOPInstanceUID": key[1]}
    return Source.content(native(pixels(key, value), **uids))


class Histories(RuleBasedStateMachine):
    """Two writers, each with a memory of its own, over one archive; and what it has to show."""

    def __init__(self) -> None:
        super().__init__()
        first = Tree.open("memory://")
        self.trees = (first, Tree(first.objects))
        self.live: dict[Key, int] = {}
        self.dead: set[Key] = set()
        self.corrections: dict[str, Correction] = {}

    def teardown(self) -> None:
        for tree in self.trees:
            tree.close()

    @rule(
        tree=st.integers(0, 1),
        study=studies,
        added=st.lists(st.tuples(instances, values), min_size=1, max_size=3),
        revive=st.booleans(),
        derive=st.booleans(),
    )
    def add(self, tree: int, study: str, added: list[tuple[str, int]], *, revive: bool, derive: bool) -> None:
        """Without `derive` as by a writer that is killed before."""
        sources = [source((study, instance), value) for instance, value in added]
        list(self.trees[tree].add(sources, revive=revive, derive=derive))
        for instance, value in added:
            key = study, instance
            if key not in self.dead or revive:
                self.live[key] = value
                self.dead.discard(key)
        if not derive:
            self.trees[1 - tree].derive(*STUDIES)

    @rule(tree=st.integers(0, 1), key=st.tuples(studies, instances))
    def end(self, tree: int, key: Key) -> None:
        """As Orthanc deletes a file."""
        ended = self.trees[tree].end(key[0], lambda record: record.path.sop_instance_uid == key[1], reason="ended")
        assert ended == (key in self.live)
        self._forget(key)

    @rule(tree=st.integers(0, 1), place=st.integers(0, 7))
    def delete(self, tree: int, place: int) -> None:
        """What is shown there, as an administrator deletes it."""
        shown = sorted(self.shown().items(), key=str)
        if shown:
            path, (key, _) = shown[place % len(shown)]
            uids = (path.study_instance_uid, path.series_instance_uid, path.sop_instance_uid)
            assert self.trees[tree].delete(*uids, reason="deleted") == 1
            self._forget(key)

    def _forget(self, key: Key) -> None:
        if self.live.pop(key, None) is not None:
            self.dead.add(key)

    @rule(
        tree=st.integers(0, 1),
        study=studies,
        instance=st.sampled_from(("", *INSTANCES)),
        to_study=st.sampled_from(("", *STUDIES)),
        to_series=st.sampled_from(("", HOME, OTHER)),
    )
    def correct(self, tree: int, study: str, instance: str, to_study: str, to_series: str) -> None:
        chosen = (instance,) if instance else ()
        correction = Correction(study, "a mix-up", HOME, chosen, {}, to_study, to_series)
        self.corrections[self.trees[tree].correct(correction)] = correction

    @rule(tree=st.integers(0, 1), place=st.integers(0, 5))
    def retract(self, tree: int, place: int) -> None:
        names = sorted(self.corrections)
        if names:
            name = names[place % len(names)]
            self.trees[tree].retract(self.corrections.pop(name).study, name, reason="it was right")

    @rule(tree=st.integers(0, 1))
    def collect(self, tree: int) -> None:
        self.trees[tree].gc(timedelta())

    def shown(self) -> dict[InstancePath, tuple[Key, int]]:
        """Of two at one place, that of its own study."""
        found: dict[InstancePath, tuple[Key, int]] = {}
        moved = {key: self._place(key) for key in self.live}
        for key, path in sorted(moved.items(), key=lambda item: (item[0][0] != item[1].study_instance_uid, item[0])):
            found.setdefault(path, (key, self.live[key]))
        return found

    def _place(self, key: Key) -> InstancePath:
        study, series = key[0], HOME
        for correction in self.corrections.values():
            if correction.study == key[0] and correction.covers(HOME, key[1]):
                study, series = correction.to_study or study, correction.to_series or series
        return InstancePath(study, series, key[1])

    @invariant()
    def each_place_shows_its_own_frames(self) -> None:
        shown = self.shown()
        for tree in self.trees:
            for path, (key, value) in shown.items():
                assert b"".join(tree.frames(path, [1, 2, 3])) == pixels(key, value)
        homes = {InstancePath(key[0], HOME, key[1]) for key in self.live}
        lying = dict(self._lying())
        for path, (key, value) in shown.items():
            assert lying.pop(path) == pixels(key, value)
        assert set(lying) <= homes

    @invariant()
    def the_lists_say_the_same(self) -> None:
        shown, tree = self.shown(), self.trees[0]
        listed = {
            InstancePath(study, series["0020000E"]["Value"][0], one["00080018"]["Value"][0])
            for study in {path.study_instance_uid for path in shown}
            for series in tree.series(study)
            for one in tree.instances(study, series["0020000E"]["Value"][0])
        }
        assert listed == set(shown)
        assert {one["0020000D"]["Value"][0] for one in tree.studies()} == {path.study_instance_uid for path in shown}

    def _lying(self) -> Iterator[tuple[InstancePath, bytes]]:
        """What a web server would send, by place."""
        objects = self.trees[0].objects
        frames: dict[InstancePath, dict[int, bytes]] = {}
        for study in STUDIES:
            for listed in objects.listed(f"studies/{study}/series"):
                _, study_uid, _, series, *rest = listed.key.split("/")
                if rest[0] == "instances" and len(rest) > 1:
                    body = objects.read(listed.key).partition(b"\r\n\r\n")[2].removesuffix(layout.TRAILER)
                    frames.setdefault(InstancePath(study_uid, series, rest[1]), {})[int(rest[3])] = body
        for path, bodies in frames.items():
            yield path, b"".join(body for _, body in sorted(bodies.items()))


def test_a_correction_that_was_taken_back_can_be_made_again() -> None:
    key = STUDIES[0], INSTANCES[0]
    correction = Correction(STUDIES[0], "a mix-up", HOME, to_series=OTHER)
    with Tree.open("memory://") as tree:
        list(tree.add([source(key, 0)]))
        for _ in range(2):
            name = tree.correct(correction)
            assert [one["0020000E"]["Value"] for one in tree.series(STUDIES[0])] == [[OTHER]]
            tree.retract(STUDIES[0], name, reason="it was right")
            assert [one["0020000E"]["Value"] for one in tree.series(STUDIES[0])] == [[HOME]]


def test_who_was_away_is_shown_at_home_again_with_its_own_frames() -> None:
    """Two files of one instance, each moved to the other's study; then one move is taken back."""
    histories = Histories()
    for study in STUDIES:
        histories.add(0, study, [(INSTANCES[0], 0)], revive=False, derive=True)
    for study, other in (STUDIES, STUDIES[::-1]):
        histories.correct(0, study, "", other, "")
    for name, correction in sorted(histories.corrections.items(), key=lambda one: one[1].study):
        histories.trees[0].retract(correction.study, name, reason="it was right")
        del histories.corrections[name]
        histories.each_place_shows_its_own_frames()
        histories.the_lists_say_the_same()
    histories.teardown()


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=60, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
