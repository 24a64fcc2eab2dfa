"""What a transaction answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self


@dataclass(slots=True)
class Answer:
    """What goes out, lent for a `with` block: a body in memory, or chunks, of `length` bytes where that is known."""

    status: int
    content_type: str
    headers: Mapping[str, str]
    body: memoryview | Iterator[memoryview]
    close: Callable[[], None] | None = None
    length: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.close is not None:
            self.close()


def lent(make: Callable[[ExitStack], Answer]) -> Answer:
    """What `make` returns; what it opens stays open until the answer is closed."""
    opened = ExitStack()
    try:
        answer = make(opened)
    except BaseException:
        opened.close()
        raise
    answer.close = opened.close
    return answer


def is_known(entity_tag: str, if_none_match: str | None) -> bool:
    """RFC 9110 section 13.1.2, with weak comparison: proxies that compress make strong tags weak."""
    if not if_none_match:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or entity_tag in tags
