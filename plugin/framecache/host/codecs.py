"""The helper processes: those that requests wait for, and those that fill the cache."""

from __future__ import annotations

from framecache.codecs.codec_pool import CodecPool
from framecache.config.settings import MEGABYTE
from framecache.errors import FrameCacheError
from framecache.host.context import Context

_BACKGROUND = 10  # niceness


class Codecs:
    """Two pools, or none. Processes start when they are first needed, so a pool that nobody asks costs nothing."""

    def __init__(self, context: Context) -> None:
        self.foreground = _pool(context, niceness=0)
        self.background = _pool(context, niceness=_BACKGROUND)

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


def _pool(context: Context, niceness: int) -> CodecPool | None:
    settings = context.settings
    if settings.codec_processes == 0:
        return None
    memory = settings.codec_memory_mb * MEGABYTE
    return CodecPool(settings.python, settings.codec_processes, memory, settings.codec_seconds, niceness)
