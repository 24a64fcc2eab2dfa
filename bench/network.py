"""A slow line between a browser and its server, made by Chromium itself: both may be on one machine."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Page


@dataclass(frozen=True, slots=True)
class Network:
    """What the line carries, and the round trip that Chromium adds to each request."""

    megabits_per_second: float
    latency_ms: float

    def slow_down(self, page: Page) -> None:
        """From now on, for what the page downloads."""
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        bytes_per_second = self.megabits_per_second * 1e6 / 8
        line = {"latency": self.latency_ms, "downloadThroughput": bytes_per_second, "uploadThroughput": -1}
        session.send("Network.emulateNetworkConditions", {"offline": False, **line})


AT_HOME = Network(20, 40)
OFFICE = Network(100, 20)
