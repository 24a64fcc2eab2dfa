"""Verification and garbage collection of a static archive, as shared work."""

from __future__ import annotations

import logging

from framecache.cluster.piece import Piece, Plan, Unfit
from framecache.cluster.stored_sources import StoredSources
from framecache.tree.tree import Tree

logger = logging.getLogger(__name__)

VERIFY, GC = "verify", "gc"
_STUDIES = 100  # of one piece: the lists of all studies are verified once for each
_THE_ARCHIVE = "archive"


class ArchiveVerification:
    """Reads all of an archive and compares it, some studies to a piece; what is damaged is repaired from its source."""

    def __init__(self, tree: Tree, sources: StoredSources) -> None:
        self._tree, self._sources = tree, sources

    def total(self) -> int | None:
        """How many studies there are. Raises Unreachable."""
        return len(self._tree.objects.folders("log"))

    def plan(self, bookmark: str) -> Plan | None:
        """The studies after `bookmark`, by their names. Raises Unreachable."""
        names = [name for name in self._tree.objects.folders("log") if name > bookmark][:_STUDIES]
        if not names:
            return None
        return Plan([Piece(names[0], names[-1], 0, VERIFY, names=tuple(names))], names[-1], len(names), "")

    def do(self, piece: Piece) -> int:
        """Raises Unreachable, and Unfit if something is wrong that cannot be repaired."""
        findings = list(self._tree.verify(*piece.names, find_source=self._sources.of_record))
        for finding in findings:
            logger.warning("archive: %s: %s%s", finding.key, finding.text, " (repaired)" if finding.is_repaired else "")
        left = [finding for finding in findings if not finding.is_repaired]
        if left:
            raise Unfit(f"{len(left)} findings are not repaired: {left[0].key}: {left[0].text}")
        return 0

    def settle(self, subject: str) -> None:
        """Verification derives by itself what it repairs."""


class ArchiveCollection:
    """One piece: what nothing names is deleted, and entries of the log are merged."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def total(self) -> int | None:
        """The archive."""
        return 1

    def plan(self, bookmark: str) -> Plan | None:
        """The archive, once."""
        return None if bookmark else Plan([Piece(_THE_ARCHIVE, _THE_ARCHIVE, 0, GC)], GC, 1, "")

    def do(self, piece: Piece) -> int:  # noqa: ARG002
        """The bytes that were deleted. Raises Unreachable."""
        return self._tree.gc().bytes

    def settle(self, subject: str) -> None:
        """Collection derives by itself what it changes."""
