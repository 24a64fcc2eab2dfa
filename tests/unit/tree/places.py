"""Places of archives, and what they have to be asked in tests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from framecache.dicom.identity import InstancePath
from framecache.tree.objects import Objects, open_objects
from framecache.tree.source import Source
from framecache.tree.tree import Tree
from framecache.tree.writer import Added, Outcome

from tests.unit.dicom_files import INSTANCE, SERIES, STUDY, native

PATH = InstancePath(STUDY, SERIES, INSTANCE)
FRAME = 24  # bytes of a frame of `native`, of 4 by 6 pixels


@dataclass
class Place:
    """The URL of an archive; one in memory is the same as long as this is."""

    url: str
    options: Mapping[str, Any] | None = None
    _memory: Objects | None = field(default=None, init=False)

    def beside(self, name: str) -> Place:
        """Another place in the same bucket."""
        return Place(f"{self.url}-{name}", self.options)

    def open(self) -> Tree:
        if not self.url.startswith("memory"):
            return Tree.open(self.url, options=self.options)
        self._memory = self._memory or open_objects(self.url)
        return Tree(self._memory)


def file(value: int = 0, path: InstancePath = PATH, **tags: Any) -> Source:
    """A file of three frames, each of one value: `value`, the next and the one after."""
    pixels = b"".join(bytes([value + frame]) * FRAME for frame in range(3))
    uids = {
        "StudyInstanceUID": path.study_instance_uid,
        "SeriesInstanceUID": path.series_instance_uid,
        "SOPInstanceUID": path.sop_instance_uid,
    }
    return Source.content(native(pixels, **{**uids, **tags}), f"file of {value}")


def add(tree: Tree, *sources: Source, **settings: Any) -> list[str]:
    """The kinds of outcomes."""
    return [kind(outcome) for outcome in tree.add(sources, **settings)]


def kind(outcome: Outcome) -> str:
    return "replaced" if isinstance(outcome, Added) and outcome.is_replacement else type(outcome).__name__.lower()


def contents(tree: Tree) -> dict[str, bytes]:
    """All that the archive has."""
    return {listed.key: tree.objects.read(listed.key) for listed in tree.objects.listed("")}


def instance(number: int) -> InstancePath:
    """Another instance of the same series."""
    return InstancePath(STUDY, SERIES, f"{INSTANCE}.{number}")


def kept_frames(tree: Tree) -> list[str]:
    return [key for key in sorted(contents(tree)) if "/frames/" in key or key.startswith("versions/")]


def sent(tree: Tree, resource: str) -> Any:
    """What a web server sends of it."""
    objects = tree.objects
    for key in (f"{resource}/index.json.gz", f"{resource}.gz") if objects.is_folder else (resource,):
        if objects.head(key):
            return json.loads(gzip.decompress(objects.read(key)))
    return None


def value(attributes: Mapping[str, Any], tag: str) -> Any:
    return attributes[tag]["Value"][0]
