"""Why something left a store."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Literal

# For room in its folder or on its disk; it was not viewed for long; its block was not what had been written; Orthanc no
# longer has the instance, or has another version; an administrator wanted it.
RemovalCause = Literal["size", "free_disk", "age", "damaged", "deleted", "replaced", "purged"]

# Called when something has left a store: why, the Orthanc IDs of the instances, and how many bytes.
OnRemoved = Callable[[RemovalCause, Collection[str], int], None]
