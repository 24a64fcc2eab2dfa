"""Adds frames in another form beside the stored ones, by helper processes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from framecache.cli.archive.outcomes import Outcomes
from framecache.cli.errors import CommandError
from framecache.codecs.codec_pool import CodecPool
from framecache.codecs.lossless_form import LosslessForm
from framecache.errors import FrameCacheError, reason
from framecache.policy.policy import gains_by_htj2k
from framecache.tree.errors import ArchiveError
from framecache.tree.layout import FORMS
from framecache.tree.tree import Tree
from framecache.tree.writer import Outcome, Skipped

_MEMORY, _SECONDS = 4 << 30, 120.0  # of a helper process, and for a frame


@contextmanager
def forms(tree: Tree, outcomes: Outcomes, *, wanted: bool) -> Iterator[Callable[[Outcome], None]]:
    """What adds HTJ2K for an instance that is in the archive now, and counts that; nothing unless it is `wanted`."""
    if not wanted:
        yield lambda _: None
        return
    pool = CodecPool(sys.executable, 1, _MEMORY, _SECONDS)
    try:
        _check(pool)
        maker = LosslessForm(pool, FORMS[0], gains_by_htj2k)
        yield lambda outcome: None if isinstance(outcome, Skipped) else _add(tree, maker, outcome, outcomes)
    finally:
        pool.close()


def _check(pool: CodecPool) -> None:
    try:
        pool.check()
    except FrameCacheError as error:
        raise CommandError(f"no HTJ2K can be made: {error}") from error


def _add(tree: Tree, maker: LosslessForm, outcome: Outcome, outcomes: Outcomes) -> None:
    try:
        outcomes.htj2k += tree.add_form(outcome.source, maker)
    except ArchiveError:
        raise
    except (FrameCacheError, OSError) as error:
        outcomes.without_htj2k.setdefault(reason(error), []).append(outcome.source.name)
