"""Joined answers are held up to a limit, the last used longest."""

from __future__ import annotations

from framecache.serving.joined_metadata import JoinedAnswers, JoinedMetadata


def joined(size: int, instances: int = 0) -> JoinedMetadata:
    return JoinedMetadata(["id"] * instances, ["uuid"] * instances, '"tag"', bytes(size))


def test_the_least_recently_used_goes_first() -> None:
    answers = JoinedAnswers(1000)
    for key in "abcd":
        answers.hold(key, joined(250))
    assert answers.get("a")
    answers.hold("e", joined(250))

    assert [key for key in "abcde" if answers.get(key)] == ["a", "c", "d", "e"]


def test_one_replaces_another_under_the_same_key() -> None:
    answers = JoinedAnswers(1000)
    for size in (200, 100, 250):
        answers.hold("a", joined(size))
    for key in "bcd":
        answers.hold(key, joined(250))

    assert [len(held.body) for key in "abcd" if (held := answers.get(key))] == [250] * 4


def test_what_would_push_out_the_others_is_not_held() -> None:
    answers = JoinedAnswers(1000)
    answers.hold("large", joined(251))
    answers.hold("of many", joined(1, instances=2))

    assert (answers.get("large"), answers.get("of many")) == (None, None)
