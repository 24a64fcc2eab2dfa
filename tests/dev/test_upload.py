"""The demo waits for an instance's frames as long as the plugin works, and no longer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import requests

from dev import upload
from dev.console import SetupError
from dev.upload import Instance, Progress, files_in, wait_for_frames

ONE = Instance("orthanc-id", "1.2", "1.2.3", "1.2.3.4")


class Plugin:
    """Answers the demo's questions with the states given, the last one for ever."""

    def __init__(self, states: Sequence[tuple[str, int]], queue_length: int = 0) -> None:
        self.states, self.queue_length, self.asked_for = list(states), queue_length, list[str]()

    def get(self, url: str, timeout: float) -> Plugin:  # noqa: ARG002 - as requests.get is called
        self.asked_for.append(url)
        return self

    ok = True

    def raise_for_status(self) -> None:
        """Every answer is 200."""

    def json(self) -> dict[str, object]:
        if self.asked_for[-1].endswith("/status"):
            return {"QueueLength": self.queue_length}
        state, cached = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {"State": state, "NumberOfFrames": 3, "CachedFrames": cached}


def waiting(monkeypatch: pytest.MonkeyPatch, plugin: Plugin) -> list[Progress]:
    """All that was shown while waiting."""
    shown: list[Progress] = []
    monkeypatch.setattr(requests, "get", plugin.get)
    monkeypatch.setattr(upload, "POLL_SECONDS", 0)
    wait_for_frames("http://x", ONE, shown.append)
    return shown


@pytest.mark.parametrize("final", ["cached", "skipped", "failed"])
def test_progress_is_shown_until_the_plugin_is_done(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = waiting(monkeypatch, Plugin([("queued", 0), ("running", 2), (final, 3)]))

    assert [(told.state, told.cached_frames) for told in shown] == [("queued", 0), ("running", 2), (final, 3)]


def test_an_instance_that_left_the_cache_is_queued_by_asking_for_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = Plugin([("not cached", 0), ("queued", 0), ("cached", 3)])

    assert waiting(monkeypatch, plugin)[-1].state == "cached"
    assert "http://x/dicom-web/studies/1.2/series/1.2.3/instances/1.2.3.4/frames/1" in plugin.asked_for


def test_an_instance_that_the_settings_leave_out_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [told.state for told in waiting(monkeypatch, Plugin([("not cached", 0)]))] == ["not cached"]


@pytest.mark.parametrize("state", ["running", "not cached"])
def test_a_plugin_that_is_stuck_is_given_up(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "STALL_SECONDS", 0.05)

    with pytest.raises(SetupError, match=rf"stuck \({state}\)"):
        waiting(monkeypatch, Plugin([(state, 0)], queue_length=1))


def test_a_folder_stands_for_all_files_below_it(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    for name in ("a/b/2.dcm", "a/1.dcm", "3.dcm"):
        (tmp_path / name).touch()

    found = [str(path.relative_to(tmp_path)) for path in files_in([tmp_path / "3.dcm", tmp_path / "a"])]

    assert found == ["3.dcm", "a/1.dcm", "a/b/2.dcm"]


def test_a_path_that_is_not_there_is_named() -> None:
    with pytest.raises(SetupError, match="DICOM=/no/such does not exist"):
        list(files_in([Path("/no/such")]))
