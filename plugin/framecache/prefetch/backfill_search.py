"""Which instances of the archive the backfill caches: one question to Orthanc for many studies, with pauses between."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice

from framecache.errors import FrameCacheError
from framecache.orthanc.instance import Instance
from framecache.orthanc.studies import Studies, Study
from framecache.ports import Clock
from framecache.prefetch.admission import Admission

logger = logging.getLogger(__name__)

_STUDIES = 10
_LONGEST_PAUSE = 1.0


@dataclass(slots=True)
class Found:
    """A study, how many instances it has, and those that the rules admit."""

    study: Study
    number: int = 0
    wanted: list[Instance] = field(default_factory=list)


class Search:
    """Goes through the studies newest first."""

    def __init__(self, studies: Studies, admission: Admission, clock: Clock, give_way: Callable[[float], None]) -> None:
        """`give_way` is called after each question with the seconds to leave Orthanc alone."""
        self._studies, self._admission, self._clock = studies, admission, clock
        self._give_way, self._troubled = give_way, ""

    def through(self, bookmark: str, today: date, oldest: date | None) -> Iterator[Found]:
        """What is behind `bookmark`, as of `Studies.newest_first`. Raises SourceError; it may be begun again then.

        A study that Orthanc does not tell about again, though it tells of others, is left out.
        """
        studies = self._studies.newest_first(bookmark, today, oldest)
        while some := list(islice(studies, _STUDIES)):
            yield from self._look_at(some)

    def _look_at(self, studies: Sequence[Study]) -> Sequence[Found]:
        try:
            return self._ask(studies)
        except FrameCacheError:
            if self._troubled != studies[0].orthanc_id:
                self._troubled = studies[0].orthanc_id
                raise
        return self._look_at_each(studies)

    def _look_at_each(self, studies: Sequence[Study]) -> Sequence[Found]:
        found, failed = list[Found](), 0
        for study in studies:
            try:
                found += self._ask([study])
            except FrameCacheError as error:
                failed += 1
                if failed == len(studies) > 1:
                    raise
                logger.warning("the backfill skips study %s: %s", study.orthanc_id, error)
                found.append(Found(study))
        return found

    def _ask(self, studies: Sequence[Study]) -> Sequence[Found]:
        found = [Found(study) for study in studies]
        by_uid = {one.study.study_instance_uid: one for one in found}
        began = self._clock.monotonic()
        for page in self._studies.content(studies, self._admission.complain):
            own = [instance for instance in page if instance.path.study_instance_uid in by_uid]
            for instance in own:
                by_uid[instance.path.study_instance_uid].number += 1
            for instance, _ in self._admission.choose(own):
                by_uid[instance.path.study_instance_uid].wanted.append(instance)
            self._give_way(min(self._clock.monotonic() - began, _LONGEST_PAUSE))
            began = self._clock.monotonic()
        return found
