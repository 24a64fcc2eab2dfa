"""What comes over the wire for the frames of a page, told by Chromium's own network log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import CDPSession, Page

_FRAME = re.compile(r"/instances/([^/]+)/frames/([0-9]+)$")


@dataclass
class FrameAnswer:
    """One answer to a frame request; `status` and `received` (bytes, headers included) are those of the wire."""

    sop_instance_uid: str
    frame_number: int
    handed_over: bool = False
    status: int = 0
    outcome: str | None = None
    content_type: str = ""
    started: float = 0.0
    ended: float | None = None
    received: int = 0


class Traffic:
    """The frame requests of `page` from now on, in their order."""

    def __init__(self, page: Page) -> None:
        self._answers: dict[str, FrameAnswer] = {}
        self._status: dict[str, int] = {}
        session = page.context.new_cdp_session(page)
        self._on(session, "requestWillBeSent", self._sent)
        self._on(session, "responseReceivedExtraInfo", self._on_the_wire)
        self._on(session, "responseReceived", self._received)
        self._on(session, "loadingFinished", self._finished)
        session.send("Network.enable")
        self._session = session

    def let_nothing_come_from_the_browsers_cache(self) -> None:
        """All that the page asks for from now on comes over the wire as at the first time."""
        self._session.send("Network.setCacheDisabled", {"cacheDisabled": True})

    @property
    def frames(self) -> list[FrameAnswer]:
        """The answers that have come to their end."""
        for request, answer in self._answers.items():
            # A 304 is a 200 to the page.
            answer.status = self._status.get(request, answer.status)
        return [answer for answer in self._answers.values() if answer.ended is not None]

    @property
    def pending(self) -> int:
        """Frames asked for that have not come yet."""
        return len(self._answers) - len(self.frames)

    @property
    def seconds(self) -> float:
        """From the first frame request to the end of the last answer."""
        return max(a.ended or 0.0 for a in self.frames) - min(a.started for a in self.frames)

    def _on(self, session: CDPSession, event: str, callback: Any) -> None:
        session.on(f"Network.{event}", callback)

    def _sent(self, event: Mapping[str, Any]) -> None:
        """Of a redirected request there is a second event, with the first answer in it."""
        found = _FRAME.search(event["request"]["url"])
        if not found:
            return
        answer = self._answers.setdefault(
            event["requestId"], FrameAnswer(found[1], int(found[2]), started=float(event["timestamp"]))
        )
        if "redirectResponse" in event:
            answer.handed_over = True

    def _on_the_wire(self, event: Mapping[str, Any]) -> None:
        """Told in no fixed order with the others."""
        self._status[event["requestId"]] = event["statusCode"]

    def _received(self, event: Mapping[str, Any]) -> None:
        if answer := self._answers.get(event["requestId"]):
            headers = {name.lower(): value for name, value in event["response"]["headers"].items()}
            answer.status = event["response"]["status"]
            answer.outcome = headers.get("x-frame-cache")
            answer.content_type = headers.get("content-type", "")

    def _finished(self, event: Mapping[str, Any]) -> None:
        if answer := self._answers.get(event["requestId"]):
            answer.ended, answer.received = float(event["timestamp"]), int(event["encodedDataLength"])
