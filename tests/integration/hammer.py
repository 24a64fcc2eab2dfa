"""Uploads, overwrites and deletes against readers, all at once: each answer is one version that was there.

Asked for is one frame or a list, as it is stored, in another transfer syntax, or drawn; the pixels say what came.

An answer may be the version before a change, the one behind it, or 404, as long as the request overlapped the change.
It is never a mixture of two, never an older one, and never another instance's.

What Orthanc's core reads is excepted: the core of trixie (1.12.7) sometimes keeps a parsed file over an overwrite and
goes on to send its frames. That concerns what the stock plugin answers, and misses where storage is not a folder.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

import imagecodecs
import numpy as np
import requests

from dev.encoding import ENCODINGS, Frame
from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import AS_STORED, Archive, instance_of, wait_until
from tests.integration.parts import Part, parts_of

SECONDS, PATIENCE = 5.0, 60.0  # on a busy machine it takes longer until all has happened
INSTANCES, READERS = 3, 5
FIRST_SEED = 1000  # of no other test's instances
SMALL = Sample(frames=6, rows=64, columns=96)
VERSIONS = (
    SMALL,
    replace(SMALL, rows=96, columns=64),  # frames of the same length, other pixels
    replace(SMALL, rows=48, columns=128),
    replace(SMALL, rows=32, columns=192, encoding="rle"),
    replace(SMALL, rows=192, columns=32, encoding="jpeg-ls", frames=8),
)
OCTETS = "multipart/related; type=application/octet-stream"
FORMS = {
    "as stored": AS_STORED,
    "explicit": OCTETS,
    "in JPEG-LS where it is native": f'multipart/related; type="image/jls", {OCTETS}; q=0.5',
    "drawn": "image/png",
}
ALIKE = 0.99  # correlation of a picture with the frame that it is drawn from
GONE = -1


@dataclass
class Change:
    """From `start` to `end`, in seconds, the instance may already or still not be at `version`."""

    version: int
    start: float
    end: float = float("inf")


@dataclass
class Target:
    """One instance: its files and frames by version, encoded and as pixels, and what was done to it, in order."""

    files: list[bytes] = field(repr=False)
    frames: dict[bytes, tuple[int, int]] = field(repr=False)
    pixels: list[list[Frame]] = field(repr=False)
    instance: Instance
    changes: list[Change] = field(default_factory=list, repr=False)

    def may_be(self, version: int, start: float, end: float) -> bool:
        """Whether an answer to a request that took from `start` to `end` may be this version."""
        behind = [*self.changes[1:], Change(GONE, float("inf"))]
        return any(
            change.version == version and change.start <= end and following.end >= start
            for change, following in zip(self.changes, behind, strict=True)
        ) or (version == GONE and self.changes_during(start, end))

    def changes_during(self, start: float, end: float) -> bool:
        """An overwrite is a delete and an upload to Orthanc."""
        return any(change.start <= end and change.end >= start for change in self.changes)


@dataclass(frozen=True)
class Seen:
    """One answer: which versions its parts were of (GONE for 404), how it came, and when it was asked for."""

    target: Target
    form: str
    versions: frozenset[int]
    start: float
    end: float
    status: int
    found: str
    by_core: bool

    @property
    def story(self) -> str:
        """The answer among the changes around it, in milliseconds."""
        changes = [
            f"{(change.start - self.start) * 1e3:.1f} to {(change.end - self.start) * 1e3:.1f}: {change.version}"
            for change in self.target.changes
            if abs(change.start - self.start) < 0.3
        ]
        took = (self.end - self.start) * 1e3
        came = f"{self.form}: {self.status} {self.found} of {set(self.versions)} in {took:.1f} ms"
        return f"{came}; changes: {'; '.join(changes)}"

    @property
    def is_right(self) -> bool:
        (version,) = self.versions if len(self.versions) == 1 else (None,)
        return self.by_core or (version is not None and self.target.may_be(version, self.start, self.end))


def make_target(archive: Archive, seed: int) -> Target:
    versions = [replace(version, seed=FIRST_SEED + seed) for version in VERSIONS]
    path = archive.server.folder / "version.dcm"
    files = [version.write(path).read_bytes() for version in versions]
    pixels = [list(version.pixels()) for version in versions]
    frames = {
        encoded: (index, number)
        for index, version in enumerate(versions)
        for number, frame in enumerate(pixels[index], start=1)
        for encoded in (ENCODINGS[version.encoding].encode(frame), frame.tobytes())
    }
    target = Target(files, frames, pixels, instance_of(versions[0], archive.upload(files[0])))
    target.changes.append(Change(0, 0.0, 0.0))
    return target


def write(nodes: Sequence[Archive], target: Target, until: Callable[[], bool], chance: random.Random) -> None:
    """Overwrite, delete and store again, with and without a pause."""
    while not until():
        version = chance.choice([GONE, *range(len(VERSIONS))])
        if version == target.changes[-1].version:
            continue
        archive, change = chance.choice(nodes), Change(version, time.monotonic())
        target.changes.append(change)
        if version == GONE:
            archive.delete(f"/instances/{target.instance.orthanc_id}")
        else:
            archive.upload(target.files[version])
        change.end = time.monotonic()
        threading.Event().wait(chance.choice([0, 0, 0.02, 0.1]))


def read(
    nodes: Sequence[Archive],
    targets: Sequence[Target],
    until: Callable[[], bool],
    chance: random.Random,
    *,
    in_folder: bool,
) -> Iterator[Seen]:
    """Ask for one frame or some, with the tag of the last answer to the same question."""
    last: dict[tuple[str, str, str], tuple[str, frozenset[int]]] = {}
    while not until():
        archive, target = chance.choice(nodes), chance.choice(targets)
        numbers = chance.sample(range(1, SMALL.frames + 1), chance.choice([1, 1, 1, 2, 6]))
        form = chance.choice(["as stored", *FORMS])
        resource = f"{numbers[0]}/rendered" if form == "drawn" else ",".join(map(str, numbers))
        question = target.instance.sop_instance_uid, resource, form
        tag, versions = last.get(question, ('"none"', frozenset()))
        start = time.monotonic()
        answer = archive.frames(target.instance, resource, FORMS[form], if_none_match=tag)
        end = time.monotonic()
        found = answer.headers.get("X-Frame-Cache", "")
        by_core = answer.ok and found not in (("hit", "miss") if in_folder else ("hit",))
        if answer.status_code != requests.codes.not_modified:
            versions = versions_of(answer, target, numbers, start, end)
            last[question] = ('"none"' if by_core else answer.headers.get("ETag", '"none"')), versions
        yield Seen(target, form, versions, start, end, answer.status_code, found, by_core)


def versions_of(
    answer: requests.Response, target: Target, numbers: list[int], start: float, end: float
) -> frozenset[int]:
    if answer.status_code == requests.codes.not_found:
        return frozenset({GONE})
    if answer.history and answer.status_code != requests.codes.ok:
        # The stock plugin lost the file under its hands.
        assert target.changes_during(start, end), (answer.status_code, answer.content)
        return frozenset({GONE})
    if answer.headers["Content-Type"] == FORMS["drawn"]:
        return frozenset({drawn_version(answer.content, target, numbers[0])})
    found = [frame_of(part, target) for part in parts_of(answer)]
    assert [number for _, number in found] == numbers
    return frozenset(version for version, _ in found)


def frame_of(part: Part, target: Target) -> tuple[int, int]:
    """Version and frame number. Raises KeyError for bytes that were never a frame of this instance."""
    payload = part.payload
    if payload in target.frames:
        return target.frames[payload]
    if payload[:-1] in target.frames:
        return target.frames[payload[:-1]]
    return target.frames[imagecodecs.jpegls_decode(payload).tobytes()]  # of our own making


def drawn_version(picture: bytes, target: Target, number: int) -> int:
    """The version whose frame of that number is in a picture: each has a shape of its own."""
    drawn = imagecodecs.png_decode(picture)
    (version,) = (index for index, frames in enumerate(target.pixels) if frames[0].shape == drawn.shape)
    alike = [float(np.corrcoef(drawn.ravel(), frame.ravel())[0, 1]) for frame in target.pixels[version]]
    assert alike.index(max(alike)) == number - 1, alike
    assert max(alike) > ALIKE, alike
    return version


def hammer(*nodes: Archive, in_folder: bool) -> None:
    """Change and read the same instances through each of some Orthancs on one index."""
    targets = [make_target(nodes[0], seed) for seed in range(INSTANCES)]
    seen: list[Seen] = []
    deadline = time.monotonic() + SECONDS

    def over() -> bool:
        late = time.monotonic() - deadline
        return late > 0 and (late > PATIENCE or all_kinds_happened(targets, seen))

    with ThreadPoolExecutor(INSTANCES + READERS) as pool:
        writing = [
            pool.submit(partial(write, nodes, target, over, random.Random(seed))) for seed, target in enumerate(targets)
        ]
        reading = [
            pool.submit(partial(seen.extend, read(nodes, targets, over, random.Random(seed), in_folder=in_folder)))
            for seed in range(READERS)
        ]
        for future in (*writing, *reading):
            future.result()
    wrong = [one.story for one in seen if not one.is_right]
    assert not wrong, "\n".join(wrong)
    assert all_kinds_happened(targets, seen)
    for target in targets:
        assert_settles(nodes, target)
    assert [archive.status()["Errors"] for archive in nodes] == [0] * len(nodes)


def assert_settles(nodes: Sequence[Archive], target: Target) -> None:
    """When it is quiet again the last version is the one in each cache."""
    if target.changes[-1].version == GONE:
        nodes[0].upload(target.files[0])
        target.changes.append(Change(0, 0.0, 0.0))
    last = target.changes[-1].version
    for archive in nodes:
        wait_until(
            lambda archive=archive: archive.frames(target.instance, "1,6").headers.get("X-Frame-Cache") == "hit",  # type: ignore[misc]
            lambda archive=archive: str(archive.progress(target.instance)),  # type: ignore[misc]
        )
        assert [frame_of(part, target) for part in archive.parts(target.instance, "1,6")] == [(last, 1), (last, 6)]


def all_kinds_happened(targets: Sequence[Target], seen: Sequence[Seen]) -> bool:
    """A test in which nothing was overwritten, or nothing was read in between, would show nothing."""
    kinds = {(before.version == GONE, after.version == GONE) for t in targets for before, after in pairwise(t.changes)}
    answers = list(seen)  # of one moment
    return (
        kinds == {(False, False), (False, True), (True, False)}
        and {version for one in answers for version in one.versions} == {GONE, *range(len(VERSIONS))}
        and {one.form for one in answers if one.status == requests.codes.ok} == FORMS.keys()
        and any(one.found == "hit" and not one.by_core for one in answers)
    )
