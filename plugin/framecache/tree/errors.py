"""What goes wrong with an archive."""

from __future__ import annotations

from framecache.errors import FrameCacheError


class ArchiveError(FrameCacheError):
    """The archive cannot be used; the message says what to change."""


class Unreachable(ArchiveError):
    """The folder or bucket does not answer; it may be there later."""

    status = 503
    retry_after = 5


class Missing(ArchiveError):
    """There is no such object."""

    status = 404


class Replaced(ArchiveError):
    """The object is not the version any more that was asked for."""

    status = 412


class Damaged(ArchiveError):
    """An object is not what its name or its record says: it has to be verified and repaired."""


class Unsettled(ArchiveError):
    """Other writers change the same study all the time; the derived files are those of a moment ago."""
