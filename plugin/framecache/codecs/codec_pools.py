"""The pools of helper processes: one for requests, and one for work ahead of requests."""

from __future__ import annotations

from framecache.codecs.codec_pool import CodecPool
from framecache.errors import FrameCacheError

_BACKGROUND = 10  # niceness


class CodecPools:
    """Two pools, or none. Processes start on first use, so an unused pool costs nothing."""

    def __init__(self, python: str, processes: int, memory_limit: int, deadline: float) -> None:
        """Each of `processes`, as of CodecPool; with 0 there are no pools."""
        self.foreground, self.background = (
            CodecPool(python, processes, memory_limit, deadline, niceness) if processes else None
            for niceness in (0, _BACKGROUND)
        )

    def error(self) -> str | None:
        """The reason why processes cannot be started, or None."""
        try:
            if self.foreground is not None:
                self.foreground.check()
        except FrameCacheError as error:
            return str(error)
        return None

    def stop(self) -> None:
        """Kill all processes."""
        for pool in (self.foreground, self.background):
            if pool is not None:
                pool.close()
