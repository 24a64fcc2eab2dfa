"""The one place that decides how an instance is cached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from framecache.dicom.transfer_syntax import Encoding, lookup
from framecache.policy.keys import CONDITIONS
from framecache.policy.rule import ArchiveWrite, Described, Extract, Mode, Rule, Turn

# Lossless syntaxes that viewers decode several times more slowly than HTJ2K; lossy ones would only get larger.
_SLOW_TO_DECODE = frozenset({"1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})


@dataclass(frozen=True, slots=True)
class Treatment:
    """How an instance is cached: when, in what form, and for how many days without a view.

    With `has_small_form`, HTJ2K lossless is cached, too; `keep_days` 0 means forever; `rule` is the index of the
    matching rule from 0, or None. `archive` is when it is written to the archive; None: as the setting says.
    """

    extract: Extract
    mode: Mode = "copy"
    priority: Turn = "normal"
    keep_days: float = 0.0
    has_small_form: bool = False
    rule: int | None = None
    archive: ArchiveWrite | None = None

    @property
    def is_kept(self) -> bool:
        """Whether it may be cached at all."""
        return self.extract != "never"

    @property
    def is_kept_at_arrival(self) -> bool:
        """Whether it is cached before anybody requests it."""
        return self.extract == "arrival"


class Policy:
    """Rules, of which the first match decides. Instances without a match are never cached."""

    def __init__(
        self,
        rules: Sequence[Rule],
        mode: Mode = "copy",
        maximum_age_days: float = 0.0,
        today: Callable[[], date] = date.today,
    ) -> None:
        """`mode` and `maximum_age_days` are the defaults of rules."""
        self._rules, self._today = tuple(rules), today
        self._small = [_treatment(place, rule, mode, maximum_age_days) for place, rule in enumerate(self._rules)]
        self._plain = [replace(treatment, has_small_form=False) for treatment in self._small]
        self._none = Treatment("never", mode, keep_days=maximum_age_days)
        #: The tags of series and study that a decision needs.
        self.tags = sorted(frozenset[str]().union(*(rule.tags for rule in self._rules)))

    def decide(self, instance: Described) -> Treatment:
        """The treatment of `instance` today."""
        today = self._today()
        for place, rule in enumerate(self._rules):
            if rule.matches(instance, today):
                small = self._small[place]
                is_small = small.has_small_form and gains_by_htj2k(instance.transfer_syntax_uid)
                return small if is_small else self._plain[place]
        return self._none

    @property
    def shortest_stay(self) -> float:
        """The smallest number of days without a view after which an instance is evicted; 0: never."""
        return min((t.keep_days for t in [*self._small, self._none] if t.keep_days), default=0.0)


def gains_by_htj2k(transfer_syntax_uid: str) -> bool:
    """Whether frames in this stored syntax are smaller, or decode faster, as HTJ2K lossless."""
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
    return Treatment(rule.extract, mode, rule.priority, keep, has_small_form, place, rule.archive)


def site_rules(
    rules: Sequence[Rule], transcode: Sequence[Rule], minimum_frames: int, minimum_frame_mb: float, mode: Mode
) -> list[Rule]:
    """All rules in force: the site's, followed by those of the other settings for instances that none of them matches.

    If a site has rules of its own, other instances are cached only on demand.
    """
    size = [
        Rule((CONDITIONS["MinimumFrames"].check(minimum_frames),)),
        Rule((CONDITIONS["MinimumFrameMB"].check(minimum_frame_mb),)),
    ]
    # A site that chose the index mode expects no copies.
    small = [replace(rule, conditions=rule.conditions + one.conditions) for rule in transcode for one in size]
    rest = [*(small if mode != "index" else []), *size]
    return [*rules, *(replace(rule, extract="demand" if rules else "arrival") for rule in rest)]
