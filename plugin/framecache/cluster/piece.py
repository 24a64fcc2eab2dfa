"""A piece of shared work, and what a kind of work has to know to be shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol, Self

from framecache.errors import FrameCacheError


class Unfit(FrameCacheError):
    """It cannot be done by anybody, however often it is tried."""


class NotHere(FrameCacheError):
    """This node cannot do it now; another may, or this one later."""


class Outage(NotHere):
    """What pieces need, such as the archive, does not answer: they are tried again until it does."""


class Foreign(NotHere):
    """A newer version queued it, and only a node of that version knows how to do it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Work on one version of an instance, in one form, or on the studies of an archive that have these `names`.

    Whoever does it twice has the same result. Of studies, the IDs are the first and the last name.

    `size` is that of its stored file in bytes. What several pieces change together is their `subject`, such as a study.
    """

    orthanc_id: str
    attachment_uuid: str
    size: int
    form: str = ""
    subject: str = ""
    names: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What it is planned and counted under, once in each run."""
        return f"{self.attachment_uuid}/{self.form}"

    def to_json(self) -> dict[str, Any]:
        """The piece as arguments of a task."""
        return {**asdict(self), "names": list(self.names)}

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> Self:
        """The inverse. Raises Foreign for other members than its own: they may say to do something else."""
        if members.keys() != {field.name for field in fields(cls)}:
            raise Foreign(f"the members of a piece are {', '.join(sorted(members))}")
        return cls(**{**members, "names": tuple(members["names"])})


@dataclass(frozen=True, slots=True)
class Plan:
    """The next pieces. `bookmark` continues after them; `looked_at` instances were checked for them.

    `study_date` is that of the last study, "" if it has none.
    """

    pieces: Sequence[Piece]
    bookmark: str
    looked_at: int
    study_date: str


class Kind(Protocol):
    """A kind of shared work. All methods run on threads of the shared work."""

    def total(self) -> int | None:
        """How many instances there are to check. Raises FrameCacheError."""

    def plan(self, bookmark: str) -> Plan | None:
        """What is next after `bookmark` ("" at the beginning); None at the end. Raises FrameCacheError."""

    def do(self, piece: Piece) -> int:
        """Do it, and return the bytes that were made; 0 if there was nothing to do.

        Raises FrameCacheError, NotHere, Unfit.
        """

    def settle(self, subject: str) -> None:
        """Some seconds after the last pieces of this subject, once for all of them. Raises FrameCacheError."""
