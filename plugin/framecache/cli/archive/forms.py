"""Adds frames in another form beside the stored ones, by helper processes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from framecache.cli.archive.outcomes import Outcomes
from framecache.cli.errors import CommandError
from framecache.codecs.codec_pool import CodecPool
from framecache.codecs.lossless_form import LosslessForm
from framecache.errors import FrameCacheError, NotFound, reason
from framecache.policy.policy import gains_by_htj2k
from framecache.tree.errors import ArchiveError
from framecache.tree.layout import FORMS
from framecache.tree.tree import Tree
from framecache.tree.writer import Outcome, Skipped

_MEMORY, _SECONDS = 4 << 30, 120.0  # of a helper process, and for a frame


class SmallForms:
    """Adds HTJ2K for instances that are in the archive, and counts that; nothing without a `maker`."""

    def __init__(self, tree: Tree, outcomes: Outcomes, maker: LosslessForm | None = None) -> None:
        self._tree, self._outcomes, self._maker = tree, outcomes, maker

    def lacks(self, outcome: Outcome) -> bool:
        """Whether the instance is to have HTJ2K, and has none, as far as the archive knows it."""
        maker = self._maker
        if maker is None or isinstance(outcome, Skipped):
            return False
        try:
            record = self._tree.record_of_file(outcome.path)
        except NotFound:  # it was deleted meanwhile
            return False
        is_wanted = bool(record.number_of_frames) and maker.wants(record.transfer_syntax_uid)
        return is_wanted and not self._tree.has_form(record, maker.transfer_syntax_uid)

    def add(self, outcome: Outcome) -> None:
        """Make it, if the outcome is that it is in the archive now. Raises ArchiveError."""
        if self._maker is None or isinstance(outcome, Skipped):
            return
        try:
            self._outcomes.htj2k += self._tree.add_form(outcome.source, self._maker)
        except ArchiveError:
            raise
        except (FrameCacheError, OSError) as error:
            self._outcomes.without_htj2k.setdefault(reason(error), []).append(outcome.source.name)


@contextmanager
def forms(tree: Tree, outcomes: Outcomes, *, wanted: bool) -> Iterator[SmallForms]:
    """What makes HTJ2K if it is `wanted`. Raises CommandError where that cannot be."""
    if not wanted:
        yield SmallForms(tree, outcomes)
        return
    pool = CodecPool(sys.executable, 1, _MEMORY, _SECONDS)
    try:
        _check(pool)
        yield SmallForms(tree, outcomes, LosslessForm(pool, FORMS[0], gains_by_htj2k))
    finally:
        pool.close()


def _check(pool: CodecPool) -> None:
    try:
        pool.check()
    except FrameCacheError as error:
        raise CommandError(f"no HTJ2K can be made: {error}") from error
