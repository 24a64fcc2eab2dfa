"""What an area of the administration offers: answers by the patterns of their paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Content:
    """An answer that is not JSON."""

    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


# Called with what the groups of the route's pattern matched. Raises FrameCacheError.
Answer = Callable[..., Mapping[str, Any] | Content]


class Area(Protocol):
    """A part of the administration. Its patterns are those of paths below /frame-cache/, and match them whole."""

    @property
    def told(self) -> Mapping[str, Answer]:
        """What GET tells."""

    @property
    def done(self) -> Mapping[str, Answer]:
        """What POST does."""
