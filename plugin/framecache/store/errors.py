"""The errors of stores.

StoreError        the store cannot be used; the message says what to change
└── DoesNotFit    there is no room, and none could be made
"""

from __future__ import annotations

from framecache.errors import FrameCacheError


class StoreError(FrameCacheError):
    """The store cannot be used; the message says what to change."""


class DoesNotFit(StoreError):
    """There is no room, and none could be made."""
