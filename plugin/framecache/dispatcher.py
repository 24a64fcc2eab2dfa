"""Publishes what has happened to subscribers: parts that act on each other do not have to know each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

_Event = TypeVar("_Event")


class Dispatcher:
    """Calls the subscribers of an event's type, in their order, on the thread of whoever publishes it.

    All subscribe before the first event. What a subscriber raises goes to the publisher.
    """

    def __init__(self) -> None:
        self._handlers: dict[type[Any], list[Callable[[Any], object]]] = {}

    def subscribe(self, event_type: type[_Event], handler: Callable[[_Event], object]) -> None:
        """Call `handler` with each event of exactly this type."""
        self._handlers.setdefault(event_type, []).append(handler)

    def publish(self, event: object) -> None:
        """This has happened."""
        for handler in self._handlers.get(type(event), ()):
            handler(event)
