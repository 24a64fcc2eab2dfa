"""Whatever is wrong with the configuration, Orthanc starts, frames come, and log and status say what to change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from dev.console import CHECKOUT
from dev.orthanc_folder import SUITES
from dev.orthanc_server import OrthancFailed, OrthancServer
from dev.sample import Sample
from tests.integration.archive import CONFIGURATION, Archive, running, wait_until
from tests.integration.documents import store_document
from tests.integration.parts import parts_of

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=3, rows=64, columns=96)
FRAMES = [frame.tobytes() for frame in SMALL.pixels()]
PYTHON_LAST = ("OrthancDicomWeb", "OrthancPython", "OrthancGdcm")
PYTHON_ALONE = ("OrthancPython",)

# Key, value, and what has to be said of them.
BAD_SETTINGS: tuple[tuple[str, object, str], ...] = (
    ("Enable", "yes", "'yes'; allowed is true or false"),
    ("Directory", 7, "7; allowed is a text"),
    ("MaximumSizeMB", 0, "0; allowed is a whole number from 16"),
    ("MaximumSizeMB", "20 GB", "'20 GB'; allowed is a whole number from 16"),
    ("Workers", 0, "0; allowed is a whole number from 1"),
    ("Workers", 2.5, "2.5; allowed is a whole number from 1"),
    ("MinimumFrames", -1, "-1; allowed is a whole number from 1"),
    ("MinimumFrameMB", "4", "'4'; allowed is a number from 0"),
    ("Rules", "MG", '\'MG\'; allowed is a list of rules such as [{"Modality": "MG"}]'),
    ("Strict", 1, "1; allowed is true or false"),
    ("MaximumSize", 100, "not known; known are Enable, Directory, "),
)


def bad_sections() -> list[dict[str, object]]:
    """Each bad setting once, as many at a time as there are different keys."""
    sections: list[dict[str, object]] = [{}, {}]
    for key, value, _ in BAD_SETTINGS:
        next(section for section in sections if key not in section)[key] = value
    return sections


@dataclass(frozen=True)
class Wrong:
    """A configuration that keeps our routes from serving: the check that fails, and words of its advice."""

    check: str
    advice: str
    configuration: Mapping[str, object]
    plugins: tuple[str, ...] = ("OrthancPython", "OrthancDicomWeb", "OrthancGdcm")


STAND_ASIDE = {
    "no object": Wrong("Settings", "must be an object", {"FrameCache": True}),
    "AllowThreads off": Wrong("AllowThreads", '"AllowThreads": true', {"Python": {"AllowThreads": False}}),
    "AllowThreads absent": Wrong("AllowThreads", '"AllowThreads": true', {"Python": {}}),
    "Python last": Wrong("RouteOrder", "libOrthancPython.so before libOrthancDicomWeb.so", {}, PYTHON_LAST),
}


@pytest.mark.parametrize("name", STAND_ASIDE)
def test_the_stock_plugin_serves_and_log_and_status_say_what_to_change(suite: str, tmp_path: Path, name: str) -> None:
    wrong = STAND_ASIDE[name]
    with running(suite, tmp_path, wrong.configuration, plugins=wrong.plugins, in_order=False) as archive:
        assert wrong.advice in archive.advice()[wrong.check]
        wait_until(lambda: wrong.advice in archive.log)
        assert_the_stock_plugin_serves(archive)


@pytest.mark.parametrize("section", bad_sections(), ids=["one", "two"])
def test_each_bad_setting_is_named_with_its_value_and_what_is_allowed(
    suite: str, tmp_path: Path, section: dict[str, object]
) -> None:
    with running(suite, tmp_path, {"FrameCache": section}, in_order=False) as archive:
        advice = archive.advice()["Settings"]
        assert f"frame cache: OFF: {advice}" in archive.log
        for key, value, complaint in BAD_SETTINGS:
            if section.get(key) is value:
                assert f'"{key}" is {complaint}' in advice
        assert_the_stock_plugin_serves(archive)


def assert_the_stock_plugin_serves(archive: Archive) -> None:
    assert not archive.status()["OwnsFrameRoutes"]
    answer = archive.frames(archive.store(SMALL, cached=False), "1,2,3")
    assert [part.payload for part in parts_of(answer)] == FRAMES
    assert (answer.history, "X-Frame-Cache" in answer.headers) == ([], False)


@pytest.mark.parametrize(
    "configuration",
    [
        {"FrameCache": {"Strict": True, "Workers": 0}},
        {"FrameCache": {"Strict": True, "Wrokers": 1}},
        {"FrameCache": {"Strict": True}, "Python": {"AllowThreads": False}},
    ],
    ids=["bad value", "unknown key", "AllowThreads off"],
)
def test_strict_stops_the_start_and_says_why(suite: str, tmp_path: Path, configuration: dict[str, object]) -> None:
    server = OrthancServer(suite, tmp_path, {**CONFIGURATION, **configuration})
    with pytest.raises(OrthancFailed):
        server.start()
    log = server.log_path.read_text()
    assert any(word in log for word in ('"Workers" is 0', '"Wrokers" is not known', '"AllowThreads": true'))


def test_switched_off_the_stock_plugin_serves_and_nothing_is_cached(suite: str, tmp_path: Path) -> None:
    with running(suite, tmp_path, {"FrameCache": {"Enable": False}}, in_order=False) as archive:
        assert_the_stock_plugin_serves(archive)
        assert [*archive.advice()] == ["Enable"]
        assert not archive.status()["Serving"]
        assert not (tmp_path / "FrameCache").exists()


def test_without_the_dicomweb_plugin_frames_are_served_and_the_status_says_what_is_missing(
    suite: str, tmp_path: Path
) -> None:
    with running(suite, tmp_path, plugins=PYTHON_ALONE, in_order=False) as archive:
        instance = archive.store(SMALL)
        assert [part.payload for part in archive.parts(instance, "1,2,3")] == FRAMES
        assert "libOrthancDicomWeb.so" in archive.advice()["DicomWebPlugin"]


@pytest.mark.parametrize("suite", SUITES[-1:], indirect=True)
def test_without_a_python_for_the_decoders_frames_are_served_as_they_are_stored(suite: str, tmp_path: Path) -> None:
    section = {"Python": str(tmp_path / "python")}
    with running(suite, tmp_path, {"FrameCache": section}, in_order=False) as archive:
        instance = archive.store(SMALL)
        assert [part.payload for part in archive.parts(instance, "1,2,3")] == FRAMES
        assert archive.frames(instance, "1").headers["X-Frame-Cache"] == "hit"
        picture = archive.get(f"{instance.path}/frames/1/rendered", accept="image/png")
        assert ([step.status_code for step in picture.history], picture.status_code) == ([307], 200)
        assert "frame cache: NOT TRANSCODING: " in archive.log
        assert str(tmp_path / "python") in archive.advice()["Codecs"]
        assert archive.status()["Errors"] == 0


def test_an_unusable_directory_keeps_no_frame_from_being_served(suite: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way of the folder")
    directory = str(tmp_path / "file" / "cache")
    with running(suite, tmp_path / "orthanc", {"FrameCache": {"Directory": directory}}, in_order=False) as archive:
        instance = archive.store(SMALL, cached=False)
        for _ in range(2):
            assert archive.frames(instance, "1,2,3").headers["X-Frame-Cache"] == "miss"
            assert archive.parts(instance, "1,2,3") == archive.stock_parts(instance, "1,2,3")
        assert f"the cache folder {directory} cannot be used: " in archive.advice()["Directory"]
        assert f"frame cache: NOT CACHING for now: the cache folder {directory} cannot be used: " in archive.log


def test_the_second_orthanc_on_one_cache_folder_says_so_and_serves(suite: str, tmp_path: Path) -> None:
    section = {"FrameCache": {"Directory": str(tmp_path / "shared")}}
    with running(suite, tmp_path / "first", section, in_order=False) as first:
        with running(suite, tmp_path / "second", section, in_order=False) as second:
            assert "is in use by another Orthanc; give each its own Directory" in second.status()["Degraded"]["Reason"]
            instance = second.store(SMALL, cached=False)
            assert second.frames(instance, "1").headers["X-Frame-Cache"] == "miss"
            assert second.parts(instance, "1,2,3") == second.stock_parts(instance, "1,2,3")
            instance = first.store(SMALL)
            assert first.frames(instance, "1").headers["X-Frame-Cache"] == "hit"
        with running(suite, tmp_path / "second", section, in_order=False) as second:
            assert "in use by another Orthanc" in second.advice()["Directory"]


def test_the_dicomweb_root_is_taken_from_its_own_section(suite: str, tmp_path: Path) -> None:
    with running(suite, tmp_path, {"DicomWeb": {"Enable": True, "Root": "wado/x"}}, in_order=False) as archive:
        stored = archive.store(SMALL)
        moved = stored.path.replace("/dicom-web/", "/wado/x/")
        ours, stock = (archive.get(f"{moved}/frames/{number}") for number in ("2", "02"))
        assert ours.headers["X-Frame-Cache"] == "hit"
        assert parts_of(ours) == parts_of(stock)


def test_a_relative_storage_directory_is_found(suite: str, tmp_path: Path) -> None:
    with running(suite, tmp_path, {"StorageDirectory": "deep/storage"}, in_order=False) as archive:
        instance = archive.store(SMALL)
        assert archive.frames(instance, "1").headers["X-Frame-Cache"] == "hit"
        assert (tmp_path / "deep/FrameCache").is_dir()


def test_a_relative_cache_directory_lies_where_a_relative_storage_directory_would(suite: str, tmp_path: Path) -> None:
    configuration = {"StorageDirectory": "storage", "FrameCache": {"Directory": "frames"}}
    with running(suite, tmp_path, configuration, in_order=False) as archive:
        assert archive.frames(archive.store(SMALL), "1").headers["X-Frame-Cache"] == "hit"
    assert (tmp_path / "storage").is_dir()
    assert any((tmp_path / "frames").iterdir())


def test_the_configuration_that_is_shipped_passes_all_checks(suite: str, tmp_path: Path) -> None:
    shipped = json.loads((CHECKOUT / "orthanc.json").read_text())
    with running(suite, tmp_path, shipped, in_order=False) as archive:
        assert archive.advice() == {}
        status = archive.status()
        assert (status["OwnsFrameRoutes"], status["AllowThreads"], status["Serving"]) == (True, True, True)


def test_the_status_tells_versions_settings_and_numbers(suite: str, tmp_path: Path) -> None:
    section = {"MaximumSizeMB": 100, "Workers": 1}
    with running(suite, tmp_path, {"FrameCache": section}, in_order=False) as archive:
        archive.frames(archive.store(SMALL), "1,2")
        status = archive.status()
        assert section.items() <= status["Settings"].items()
        assert {"Orthanc", "python", "dicom-web"} <= set(status["Versions"])
        assert (status["Hits"], status["Misses"], status["Failures"], status["QueueLength"]) == (1, 0, 0, 0)
        assert status["ExtractedFrames"] == SMALL.frames
        assert status["Bytes"] > sum(map(len, FRAMES))


def test_authentication_covers_our_routes(suite: str, tmp_path: Path) -> None:
    user = ("doctor", "secret-of-the-test")
    configuration = {"AuthenticationEnabled": True, "RegisteredUsers": dict([user])}
    with running(suite, tmp_path, configuration, credentials=user, in_order=False) as archive:
        instance = archive.store(SMALL)
        assert archive.frames(instance, "1").headers["X-Frame-Cache"] == "hit"
        stranger, liar = Archive(archive.server), Archive(archive.server, ("doctor", "wrong"))
        for path in (
            f"{instance.path}/frames/1",
            "/frame-cache/status",
            f"/frame-cache/instances/{instance.orthanc_id}",
        ):
            assert [client.get(path).status_code for client in (stranger, liar, archive)] == [401, 401, 200]


def test_a_hand_over_passes_authentication_too(suite: str, tmp_path: Path) -> None:
    user = ("doctor", "secret-of-the-test")
    configuration = {"AuthenticationEnabled": True, "RegisteredUsers": dict([user])}
    with running(suite, tmp_path, configuration, credentials=user, in_order=False) as archive:
        instance = store_document(archive)
        answer = archive.get(f"{instance.path}/rendered", accept="*/*")
        assert [step.status_code for step in answer.history] == [307]
        stock = archive.get(f"{instance.path}/frames/01/rendered", accept="*/*")
        assert answer.status_code == stock.status_code != 401
