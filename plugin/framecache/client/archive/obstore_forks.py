"""Whether obstore can be used in this process: its threads do not survive a fork."""

from __future__ import annotations

import os

from framecache.tree.errors import Unreachable


class _Obstore:
    """Whether obstore's threads were begun, and whether in this process or in the one that it was forked from."""

    def __init__(self) -> None:
        self._is_used = self._is_inherited = False

    def use(self) -> None:
        if self._is_inherited:
            raise Unreachable("a forked process cannot use what its parent used before: let multiprocessing spawn")
        if not self._is_used:
            self._is_used = True
            os.register_at_fork(after_in_child=self._inherit)

    def _inherit(self) -> None:
        self._is_inherited = True


# What the process is in, as obstore's own threads are: no object of ours can know it.
_OBSTORE = _Obstore()


def check_fork() -> None:
    """Raises Unreachable in a process where obstore would wait for threads that it does not have."""
    _OBSTORE.use()
