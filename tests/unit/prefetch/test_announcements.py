"""Events and the log are matched, whichever comes first, and a memory of bounded size remembers them."""

from __future__ import annotations

from framecache.prefetch.announcements import Announcements


def test_what_the_log_showed_is_not_missing() -> None:
    announcements = Announcements()
    announcements.log(["early"])
    for name in ("early", "late", "gone"):
        announcements.announce(name)
    waiting = announcements.waiting()
    announcements.log(["late"])
    announcements.announce("after")

    assert waiting == ["late", "gone"]
    assert announcements.take_missing(waiting) == ["gone"]
    assert announcements.waiting() == ["after"]


def test_what_is_missing_is_told_once() -> None:
    announcements = Announcements()
    announcements.announce("gone")

    assert [announcements.take_missing(["gone"]) for _ in range(2)] == [["gone"], []]


def test_what_is_stored_again_is_announced_again() -> None:
    announcements = Announcements()
    announcements.log(["one"])
    announcements.announce("one")
    announcements.announce("one")

    assert announcements.waiting() == ["one"]


def test_the_oldest_are_forgotten_first() -> None:
    announcements = Announcements(most=2)
    for name in "abc":
        announcements.announce(name)
        announcements.log([f"logged {name}"])

    assert announcements.waiting() == ["b", "c"]
    for name in "abc":
        announcements.announce(f"logged {name}")
    assert announcements.waiting() == ["c", "logged a"]


def test_the_number_is_that_of_events_that_were_not_looked_at() -> None:
    announcements = Announcements()
    for name in ("a", "b", "b"):
        announcements.announce(name)
    announcements.looked_at(2)

    assert announcements.number == 1
