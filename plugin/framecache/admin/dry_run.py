"""The dry run of rules over the studies of the last days, as a job. It caches nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import islice
from typing import Any

from framecache.admin.area import Answer, Asked, read_json
from framecache.admin.jobs import Job, Jobs
from framecache.config.settings import Settings
from framecache.declaration import Declaration, Number
from framecache.errors import BadRequest, NotFound, SettingsError
from framecache.orthanc.arrivals import Arrivals
from framecache.orthanc.instance import DescribedInstance
from framecache.orthanc.studies import Studies
from framecache.policy.keys import day_of
from framecache.policy.parsing import parse_rules
from framecache.policy.policy import Treatment
from framecache.policy.rule import Extract, Rule
from framecache.ports import OrthancApi
from framecache.prefetch.extraction_cost import ExtractionCost, MeasuredCost, Tally


class Forecast:
    """Counts by rule, and by treatment for instances that no rule matches."""

    def __init__(self, rules: Sequence[Rule], first: date, today: date) -> None:
        """`first` is the earliest Study Date of the dry run, `today` the latest."""
        self._rules, self._first, self._today = rules, first, today
        self._tallies = [Tally() for _ in rules]
        self._others: dict[Extract, Tally] = {}
        self._oldest = today
        self.studies = 0

    def add(self, arrival: DescribedInstance, treatment: Treatment) -> None:
        """Count an instance and its treatment."""
        if treatment.rule is not None and treatment.rule < len(self._rules):
            tally = self._tallies[treatment.rule]
        else:
            tally = self._others.setdefault(treatment.extract, Tally())
        tally.add(arrival, treatment)
        self._oldest = min(self._oldest, day_of(arrival.study_date) or self._oldest)

    def to_json(self, maximum_bytes: int, measured: Mapping[str, MeasuredCost]) -> dict[str, Any]:
        """The result of the job; `maximum_bytes` is the limit of the cache."""
        total = Tally()
        for tally in (*self._tallies, *self._others.values()):
            total.merge(tally)
        size = total.cache_bytes(measured)
        rules = zip(self._tallies, self._rules, strict=True)
        return {
            "Days": (self._today - self._first).days,
            "FirstStudyDate": self._oldest.isoformat() if self.studies else None,
            "Studies": self.studies,
            "DaysKept": round(maximum_bytes / size * self._days(), 1) if size else None,
            "Measured": {name: _measured_json(sums) for name, sums in measured.items()},
            "Rules": [
                *(
                    {"Rule": number, "Written": rule.written, "Extract": rule.extract, **_json(tally, measured)}
                    for number, (tally, rule) in enumerate(rules, 1)
                ),
                *(
                    {"Rule": None, "Written": None, "Extract": extract, **_json(tally, measured)}
                    for extract, tally in sorted(self._others.items())
                ),
            ],
            "Total": _json(total, measured),
        }

    def _days(self) -> int:
        """The days that the studies span: the archive may be younger than the requested number of days."""
        return (self._today - self._oldest).days + 1


def _json(tally: Tally, measured: Mapping[str, MeasuredCost]) -> dict[str, Any]:
    seconds = tally.seconds(measured)
    return {
        "Instances": tally.instances,
        "Frames": tally.frames,
        "StoredBytes": tally.stored_bytes,
        "CacheBytes": tally.cache_bytes(measured),
        "CPUSeconds": None if seconds is None else round(seconds, 1),
    }


def _measured_json(sums: MeasuredCost) -> dict[str, Any]:
    return {
        "StoredBytes": round(sums.stored_bytes),
        "CacheBytes": round(sums.kept_bytes),
        "CPUSeconds": round(sums.seconds, 3),
    }


logger = logging.getLogger(__name__)

_MOST_RULES = 1000
_RULES = "Rules like those of the setting (docs/rules.md); null: the rules in force."
_MOST_DAYS = 36_500


class RulesOrNone:
    """Rules as JSON, or null for the rules in force."""

    allowed = "a list of rules, or null for the rules in force"

    def check(self, value: Any) -> tuple[Rule, ...] | None:
        if value is None:
            return None
        if isinstance(value, list) and len(value) > _MOST_RULES:
            raise BadRequest(f'"Rules" has {len(value)} rules; at most {_MOST_RULES} are allowed')
        try:
            return parse_rules(value)
        except SettingsError as error:
            raise BadRequest(str(error)) from None

    def read(self, text: str) -> tuple[Rule, ...] | None:
        return self.check(read_json(text))

    def schema(self) -> dict[str, Any]:
        return {"type": ["array", "null"], "items": {"$ref": "#/components/schemas/Rule"}, "maxItems": _MOST_RULES}


PREVIEW_ARGUMENTS = (
    Declaration("Rules", RulesOrNone(), meaning=_RULES),
    Declaration("Days", Number(int, 1, _MOST_DAYS), 30, meaning="Studies of this many last days."),
)


class Preview:
    """The area of the dry run."""

    def __init__(
        self,
        api: OrthancApi,
        settings: Settings,
        jobs: Jobs,
        extraction_cost: ExtractionCost,
        *,
        batch: int = 200,
        study_page: int = 100,
        pause: float = 0.02,
        today: Callable[[], date] = date.today,
    ) -> None:
        """It describes `batch` instances at once, and pauses `pause` seconds after each to leave Orthanc idle.

        It lists `study_page` studies at once.
        """
        self._batch, self._pause, self._today = batch, pause, today
        self._api, self._studies = api, Studies(api, id_page=study_page)
        self._settings, self._jobs, self._extraction_cost = settings, jobs, extraction_cost
        self.get_routes: Mapping[str, Answer] = {}
        self.post_routes: Mapping[str, Answer] = {
            "rules/preview": Asked(lambda **given: self.begin(given["Rules"], given["Days"]), PREVIEW_ARGUMENTS)
        }

    def begin(self, rules: Sequence[Rule] | None, days: int) -> dict[str, Any]:
        """POST /frame-cache/rules/preview: try these rules on the studies of the last days.

        Raises Overloaded.
        """
        chosen = self._settings.rules if rules is None else rules
        return {"Job": self._jobs.begin("rules", lambda job: self._work(job, chosen, days)).id}

    def _work(self, job: Job, rules: Sequence[Rule], days: int) -> None:
        today = self._today()
        policy = self._settings.policy(rules, today=lambda: today)
        forecast = Forecast(rules, today - timedelta(days), today)
        arrivals = Arrivals(self._api, sorted({*policy.tags, "StudyDate"}))
        instances = self._instances(today - timedelta(days), forecast)
        while not job.is_cancelled and (batch := list(islice(instances, self._batch))):
            for arrival in arrivals.of(batch, self._complain):
                forecast.add(arrival, policy.decide(arrival))
                job.advance(1, arrival.file_size)
            job.result = forecast.to_json(self._settings.maximum_size_mb << 20, self._extraction_cost.measured())
            job.pause(self._pause)
        job.result = forecast.to_json(self._settings.maximum_size_mb << 20, self._extraction_cost.measured())

    def _instances(self, first: date, forecast: Forecast) -> Iterator[str]:
        """The Orthanc IDs of all instances of the studies since the day `first`, oldest study first."""
        for study in self._studies.since(first):
            forecast.studies += 1
            try:
                yield from self._studies.instances(study)
            except NotFound:
                continue  # deleted meanwhile

    def _complain(self, error: Exception) -> None:
        logger.warning("ignoring an instance: %s", error)
