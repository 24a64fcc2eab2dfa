"""What is done with an instance: the one place that decides it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from framecache.dicom.transfer_syntax import Encoding, lookup
from framecache.policy.keys import CONDITIONS
from framecache.policy.rule import Described, Extract, Mode, Rule, Turn

# Lossless syntaxes that viewers decode several times more slowly than HTJ2K; lossy ones would only grow.
_SLOW_TO_DECODE = frozenset({"1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done with an instance: when it comes into the cache, how, and when it leaves it if nobody asks for it.

    `has_small_form` says that HTJ2K lossless is kept beside; `keep_days` of 0 is for ever; `rule` is the place of the
    rule that decided, from 0, or None if none did.
    """

    extract: Extract
    mode: Mode = "copy"
    priority: Turn = "normal"
    keep_days: float = 0.0
    has_small_form: bool = False
    rule: int | None = None

    @property
    def is_kept(self) -> bool:
        """Whether it may come into the cache at all."""
        return self.extract != "never"

    @property
    def is_kept_at_arrival(self) -> bool:
        """Whether it comes into the cache though nobody has asked for it yet."""
        return self.extract == "arrival"


class Policy:
    """Rules, of which the first that matches decides; what none matches is never kept."""

    def __init__(
        self,
        rules: Sequence[Rule],
        mode: Mode = "copy",
        maximum_age_days: float = 0.0,
        today: Callable[[], date] = date.today,
    ) -> None:
        """`mode` and `maximum_age_days` are for rules that do not say otherwise."""
        self._rules, self._today = tuple(rules), today
        self._small = [_treatment(place, rule, mode, maximum_age_days) for place, rule in enumerate(self._rules)]
        self._plain = [replace(treatment, has_small_form=False) for treatment in self._small]
        self._none = Treatment("never", mode, keep_days=maximum_age_days)
        #: The tags of series and study that have to be known to decide.
        self.tags = sorted(frozenset[str]().union(*(rule.tags for rule in self._rules)))

    def decide(self, instance: Described) -> Treatment:
        """What is done with `instance` today."""
        today = self._today()
        for place, rule in enumerate(self._rules):
            if rule.matches(instance, today):
                small = self._small[place]
                is_small = small.has_small_form and gains_by_htj2k(instance.transfer_syntax_uid)
                return small if is_small else self._plain[place]
        return self._none

    @property
    def shortest_stay(self) -> float:
        """The fewest days after which anything leaves because nobody asked for it; 0: nothing does."""
        return min((t.keep_days for t in [*self._small, self._none] if t.keep_days), default=0.0)


def gains_by_htj2k(transfer_syntax_uid: str) -> bool:
    """Whether frames that are stored so are smaller, or decoded faster, as HTJ2K lossless."""
    return lookup(transfer_syntax_uid).encoding is Encoding.NATIVE or transfer_syntax_uid in _SLOW_TO_DECODE


def _treatment(place: int, rule: Rule, mode: Mode, maximum_age_days: float) -> Treatment:
    has_small_form = rule.form == "HTJ2K"
    if rule.form == "stored":
        mode = "copy"
    elif rule.form == "index":
        mode = "index"
    elif has_small_form and mode == "index":
        mode = "auto"
    keep = maximum_age_days if rule.keep_days is None else rule.keep_days
    return Treatment(rule.extract, mode, rule.priority, keep, has_small_form, place)


def site_rules(
    rules: Sequence[Rule], transcode: Sequence[Rule], minimum_frames: int, minimum_frame_mb: float, mode: Mode
) -> list[Rule]:
    """All rules in force: the site's, and behind them what the other settings say of what none of those is about.

    With rules of a site's own the rest waits for a viewer.
    """
    size = [
        Rule((CONDITIONS["MinimumFrames"].check(minimum_frames),)),
        Rule((CONDITIONS["MinimumFrameMB"].check(minimum_frame_mb),)),
    ]
    # A site that asked for an index alone wants nothing else written.
    small = [replace(rule, conditions=rule.conditions + one.conditions) for rule in transcode for one in size]
    rest = [*(small if mode != "index" else []), *size]
    return [*rules, *(replace(rule, extract="demand" if rules else "arrival") for rule in rest)]
