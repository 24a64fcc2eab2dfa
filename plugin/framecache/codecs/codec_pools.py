"""The helper processes: those that requests wait for, and those that work ahead of requests."""

from __future__ import annotations

from framecache.codecs.codec_pool import CodecPool
from framecache.errors import FrameCacheError

_BACKGROUND = 10  # niceness


class CodecPools:
    """Two, or none. Processes start when they are first needed, so a pool that nobody asks costs nothing."""

    def __init__(self, python: str, processes: int, memory_limit: int, deadline: float) -> None:
        """Each of `processes`, as of CodecPool; with 0 there are no pools."""
        self.foreground, self.background = (
            CodecPool(python, processes, memory_limit, deadline, niceness) if processes else None
            for niceness in (0, _BACKGROUND)
        )

    def error(self) -> str | None:
        """Why they cannot be started."""
        try:
            if self.foreground is not None:
                self.foreground.check()
        except FrameCacheError as error:
            return str(error)
        return None

    def stop(self) -> None:
        """End the processes."""
        for pool in (self.foreground, self.background):
            if pool is not None:
                pool.close()
