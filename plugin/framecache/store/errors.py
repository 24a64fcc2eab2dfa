"""What goes wrong with a store, and which kind of call it spoils."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar, cast

from framecache.errors import FrameCacheError


class StoreError(FrameCacheError):
    """The store cannot be used; the message says what to change."""


class DoesNotFit(StoreError):
    """There is no room, and none could be made."""


_Method = TypeVar("_Method", bound=Callable[..., Any])
_Part = TypeVar("_Part")
_RULE = "__fault_rule__"


@dataclass(frozen=True, slots=True)
class FaultRule:
    """What kind of method it is; some give `instead()` on a fault."""

    kind: Literal["reads", "writes", "notes", "removes"]
    instead: Callable[[], Any] | None = None


class Guard(Protocol):
    """Makes a call into the store, and does on a fault what the rule says."""

    def __call__(self, rule: FaultRule, call: Callable[[], Any], /) -> Any:
        """Raises StoreError."""


def reads(instead: Callable[[], Any]) -> Callable[[_Method], _Method]:
    """Mark a method that reads, and answers `instead()` on a fault."""
    return _marked(FaultRule("reads", instead))


def writes(method: _Method) -> _Method:
    """Mark a method that writes."""
    return _marked(FaultRule("writes"))(method)


def notes(method: _Method) -> _Method:
    """Mark a method that writes what can be lost: the fault is noted by the store, and is no error to the caller."""
    return _marked(FaultRule("notes", lambda: None))(method)


def removes(method: _Method) -> _Method:
    """Mark a method that removes, or that those who remove have to rely on."""
    return _marked(FaultRule("removes"))(method)


def guarded(protocol: type, part: Callable[[], _Part], guard: Guard) -> _Part:
    """`part()`, as it is at each call, with all marked methods of its `protocol` behind the guard."""
    rules = {name: getattr(method, _RULE) for name, method in vars(protocol).items() if hasattr(method, _RULE)}
    methods = {name: _behind(guard, rule, part, name) for name, rule in rules.items()}
    return cast(_Part, type(f"Guarded{protocol.__name__}", (), methods)())


def _marked(rule: FaultRule) -> Callable[[_Method], _Method]:
    def mark(method: _Method) -> _Method:
        setattr(method, _RULE, rule)
        return method

    return mark


def _behind(guard: Guard, rule: FaultRule, part: Callable[[], object], name: str) -> Callable[..., Any]:
    def method(_: object, *positional: Any, **named: Any) -> Any:
        return guard(rule, lambda: getattr(part(), name)(*positional, **named))

    return method
