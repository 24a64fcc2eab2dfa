"""Events reach those who asked for their type, and nobody else."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest
from framecache.dispatcher import Dispatcher


@dataclass(frozen=True)
class Stored:
    name: str


@dataclass(frozen=True)
class StoredAgain(Stored):
    """Another type, though of the same family."""


def test_subscribers_are_called_in_their_order_on_the_publisher_s_thread() -> None:
    dispatcher, seen = Dispatcher(), list[tuple[str, str, int]]()
    for subscriber in "ab":
        dispatcher.subscribe(
            Stored,
            lambda event, one=subscriber: seen.append((one, event.name, threading.get_ident())),  # type: ignore[misc]
        )
    dispatcher.publish(Stored("x"))

    here = threading.get_ident()
    assert seen == [("a", "x", here), ("b", "x", here)]


def test_an_event_is_for_those_of_its_very_type() -> None:
    dispatcher, seen = Dispatcher(), list[Stored]()
    dispatcher.subscribe(StoredAgain, seen.append)
    dispatcher.publish(Stored("x"))
    dispatcher.publish("nobody asked for texts")
    dispatcher.publish(StoredAgain("y"))

    assert seen == [StoredAgain("y")]


def test_what_a_subscriber_raises_is_the_publisher_s_to_handle() -> None:
    dispatcher = Dispatcher()

    def fail(_: Stored) -> None:
        raise ValueError

    dispatcher.subscribe(Stored, fail)
    with pytest.raises(ValueError):  # noqa: PT011
        dispatcher.publish(Stored("x"))
