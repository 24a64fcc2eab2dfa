"""What is laid over the records: deletions, corrections, and retractions of corrections."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from framecache.dicom.identity import is_identifier
from framecache.errors import BadRequest
from framecache.tree.errors import Damaged
from framecache.tree.json_object import canonical, compressed, decompressed
from framecache.tree.layout import changes_of_study, digest, file_name
from framecache.tree.record import Element

_TAG = re.compile(r"[0-9A-F]{8}")
_UIDS = frozenset({"0020000D", "0020000E", "00080018"})


@dataclass(frozen=True, slots=True)
class Dead:
    """Versions of an instance, up to this one, that a deletion ends."""

    series: str
    instance: str
    version: int


@dataclass(frozen=True, slots=True)
class Deletion:
    """Ends what it names. It stays, so that an instance that is sent again is not revived by chance."""

    study: str
    reason: str
    dead: tuple[Dead, ...]

    def to_json(self) -> dict[str, Any]:
        dead = sorted(self.dead, key=lambda one: (one.series, one.instance, one.version))
        return {
            "kind": "deletion",
            "study": self.study,
            "reason": self.reason,
            "instances": [{"series": one.series, "instance": one.instance, "version": one.version} for one in dead],
        }


@dataclass(frozen=True, slots=True)
class Correction:
    """Attributes or a place that instances are shown with instead of their own; their frames stay where they are.

    It is about a whole `study` (as the files name it), one `series` of it, or some `instances` of that. An element of
    None removes the attribute. `to_study` and `to_series` are UIDs under which the instances are shown. `after` are
    the corrections that were known when it was made: one that is not among them, and says something else of the same
    instances, is a conflict. Of two, the one with the greater `sequence` wins; at a draw, the greater digest.
    """

    study: str
    reason: str
    series: str = ""
    instances: tuple[str, ...] = ()
    attributes: Mapping[str, Element | None] = field(default_factory=dict)
    to_study: str = ""
    to_series: str = ""
    sequence: int = 0
    after: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises BadRequest for what is no UID, nor has the form of what archives have in its place."""
        for identifier in (self.study, self.series, *self.instances, self.to_study, self.to_series):
            if identifier and not is_identifier(identifier):
                raise BadRequest("a correction names studies, series and instances by their UIDs")
        for tag, element in self.attributes.items():
            if not _TAG.fullmatch(tag) or tag in _UIDS or not (element is None or isinstance(element, Mapping)):
                raise BadRequest("attributes are DICOM JSON elements or null by their tags, and none of the three UIDs")

    def covers(self, series: str, instance: str) -> bool:
        return self.series in ("", series) and (not self.instances or instance in self.instances)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "correction",
            "study": self.study,
            "reason": self.reason,
            "series": self.series,
            "instances": sorted(self.instances),
            "attributes": dict(self.attributes),
            "toStudy": self.to_study,
            "toSeries": self.to_series,
            "sequence": self.sequence,
            "after": sorted(self.after),
        }


@dataclass(frozen=True, slots=True)
class Retraction:
    """Takes a correction back, for good."""

    study: str
    reason: str
    correction: str

    def to_json(self) -> dict[str, Any]:
        return {"kind": "retraction", "study": self.study, "reason": self.reason, "correction": self.correction}


Change = Deletion | Correction | Retraction


def name_of_change(change: Change) -> str:
    """The digest by which other changes name this one."""
    return digest(canonical(change.to_json()))


def encode(change: Change, study: str) -> tuple[str, bytes]:
    """Its key in the log of `study`, which is its own or one that shows what it moves, and its content."""
    content = canonical(change.to_json())
    return f"{changes_of_study(file_name(study))}/{digest(content)}", compressed(content)


def decode(content: bytes, name: str) -> Change:
    """Raises Damaged."""
    members = decompressed(content, name)
    try:
        return _READERS[members["kind"]](members)
    except (KeyError, TypeError, ValueError, AttributeError, BadRequest) as error:
        raise Damaged(f"{name} is no change of a study") from error


def _deletion(members: Mapping[str, Any]) -> Deletion:
    dead = (Dead(one["series"], one["instance"], int(one["version"])) for one in members["instances"])
    return Deletion(members["study"], members["reason"], tuple(dead))


def _correction(members: Mapping[str, Any]) -> Correction:
    return Correction(
        members["study"],
        members["reason"],
        members["series"],
        tuple(members["instances"]),
        {str(tag): element for tag, element in members["attributes"].items()},
        members["toStudy"],
        members["toSeries"],
        int(members["sequence"]),
        tuple(members["after"]),
    )


def _retraction(members: Mapping[str, Any]) -> Retraction:
    return Retraction(members["study"], members["reason"], members["correction"])


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Change]] = MappingProxyType(
    {"deletion": _deletion, "correction": _correction, "retraction": _retraction}
)
