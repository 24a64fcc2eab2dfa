"""What the nodes' rules say of the archive, for processes that have no settings of Orthanc's."""

from __future__ import annotations

import threading

from framecache.cluster.piece import NotHere
from framecache.config.settings import SETTINGS
from framecache.errors import NotFound, SettingsError, SourceError
from framecache.orthanc.api import get_json
from framecache.orthanc.instance import Instance
from framecache.policy.parsing import parse_rules
from framecache.policy.policy import Policy
from framecache.policy.rule import ArchiveWrite
from framecache.ports import Clock, OrthancApi

_STATUS = "/frame-cache/status"
_REMEMBERED_SECONDS = 60.0


class ArchiveRules:
    """`Rules` and `ArchiveWrite` of whichever node answers, as its status shows them. Safe for several threads."""

    def __init__(self, api: OrthancApi, clock: Clock, *, remembered_seconds: float = _REMEMBERED_SECONDS) -> None:
        """A change of the settings counts after `remembered_seconds`."""
        self._api, self._clock, self._remembered_seconds = api, clock, remembered_seconds
        self._known: tuple[Policy, ArchiveWrite] | None = None
        self._until, self._lock = 0.0, threading.Lock()

    def admit(self, instance: Instance) -> bool:
        """Whether the node would write it to the archive on arrival. Raises NotHere if the node does not say now."""
        try:
            policy, usually = self.ask()
        except SourceError as error:
            raise NotHere(str(error)) from error
        return (policy.decide(instance).archive or usually) == "arrival"

    def ask(self) -> tuple[Policy, ArchiveWrite]:
        """The rules, and what is true of instances of which they do not speak. Raises SourceError."""
        with self._lock:
            if self._known is None or self._clock.monotonic() >= self._until:
                self._known = self._asked()
                self._until = self._clock.monotonic() + self._remembered_seconds
            return self._known

    def _asked(self) -> tuple[Policy, ArchiveWrite]:
        try:
            settings = get_json(self._api, _STATUS)["Settings"]
            usually: ArchiveWrite = SETTINGS["archive_write"].check(settings["ArchiveWrite"])
            return Policy(parse_rules(settings["Rules"])), usually
        except NotFound as error:
            raise SourceError("the Orthanc has no frame cache that tells its rules: export all instead") from error
        except (KeyError, TypeError, SettingsError) as error:
            raise SourceError(f"the rules of the Orthanc cannot be understood: {error}") from error
