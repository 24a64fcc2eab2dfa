"""The order in which the store on disk evicts instances, without a disk: for simulations."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

# As `store/disk/access_times.py`: what was viewed counts as so much younger than what merely arrived.
VIEWED_DAYS = 1.0
# As `store/disk/space.py`: an eviction stops at this share of the limit.
LOW_WATERMARK = 0.95

Instance = tuple[int, int]
"""The number of a study, and the place of the instance in it."""


class _Entry(NamedTuple):
    day: float
    size: int


class LruCache:
    """The instances of one node, of `limit` bytes at most. Times are in days, and never go back."""

    def __init__(self, limit: float) -> None:
        self.used, self._limit = 0, limit
        self._arrived, self._viewed = OrderedDict[Instance, _Entry](), OrderedDict[Instance, _Entry]()

    def __contains__(self, instance: Instance) -> bool:
        return instance in self._viewed or instance in self._arrived

    def arrive(self, instance: Instance, size: int, day: float) -> bool:
        """Cache what nobody asked for yet; whether it was read for that."""
        if instance in self or size > self._limit:
            return False
        self._keep(self._arrived, instance, _Entry(day, size))
        return True

    def view(self, instance: Instance, size: int, day: float) -> bool:
        """Whether it is a hit. In any case it is cached afterwards, if it fits at all."""
        is_hit = instance in self
        if is_hit:
            self._remove(instance)
        if size <= self._limit:
            self._keep(self._viewed, instance, _Entry(day, size))
        return is_hit

    def _keep(self, among: OrderedDict[Instance, _Entry], instance: Instance, entry: _Entry) -> None:
        if self.used + entry.size > self._limit:
            self._make_room(entry.size)
        among[instance] = entry
        self.used += entry.size

    def _make_room(self, size: int) -> None:
        while self.used and self.used + size > self._limit * LOW_WATERMARK:
            self._remove(self._least_recently_used())

    def _least_recently_used(self) -> Instance:
        if not self._arrived or not self._viewed:
            return next(iter(self._arrived or self._viewed))
        arrived, viewed = next(iter(self._arrived)), next(iter(self._viewed))
        is_viewed_older = self._viewed[viewed].day + VIEWED_DAYS < self._arrived[arrived].day
        return viewed if is_viewed_older else arrived

    def _remove(self, instance: Instance) -> None:
        among = self._arrived if instance in self._arrived else self._viewed
        self.used -= among.pop(instance).size
