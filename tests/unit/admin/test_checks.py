"""Start-up checks: what fails says what to change."""

from __future__ import annotations

from typing import Any

import pytest
from framecache.admin import checks


@pytest.mark.parametrize(
    ("configuration", "passed"),
    [
        ({"Python": {"AllowThreads": True}}, True),
        ({"Python": {"AllowThreads": False}}, False),
        ({"Python": {"AllowThreads": "true"}}, False),
        ({"Python": {"AllowThreads": 1}}, False),
        ({"Python": {}}, False),
        ({"Python": None}, False),
        ({}, False),
    ],
)
def test_threads_have_to_be_allowed(configuration: dict[str, Any], *, passed: bool) -> None:
    check = checks.check_threads(configuration)

    assert (check.passed, check.fatal) == (passed, True)
    assert '"AllowThreads": true' in check.advice


@pytest.mark.parametrize(
    ("version", "passed"),
    [
        ("1.12.5", True),
        ("1.12.10", True),
        ("1.13.0", True),
        ("2.0", True),
        ("mainline", True),
        ("1.12.4", False),
        ("1.9.9", False),
        ("0", False),
    ],
)
def test_the_core_has_to_be_new_enough(version: str, *, passed: bool) -> None:
    check = checks.check_core(version)

    assert (check.passed, check.fatal) == (passed, True)
    assert "1.12.5" in check.advice


@pytest.mark.parametrize(
    ("version", "passed"), [("5.0", True), ("7.1", True), ("10.0", True), ("4.0", False), ("4.3", False)]
)
def test_the_python_plugin_has_to_be_new_enough(version: str, *, passed: bool) -> None:
    check = checks.check_python_plugin(version)

    assert (check.passed, check.fatal) == (passed, True)
    assert version in check.advice


def test_a_route_that_is_not_ours_tells_the_order_of_plugins() -> None:
    check = checks.check_route(owned=False, frame_route="/dicom-web/…/frames/")

    assert not check.passed
    assert check.advice.index("libOrthancPython.so") < check.advice.index("libOrthancDicomWeb.so")
    assert checks.check_route(owned=True, frame_route="x").passed


@pytest.mark.parametrize(
    ("plugins", "passed"), [({"dicom-web": "1.20"}, True), ({"python": "5.0"}, False), ({}, False)]
)
def test_a_missing_dicomweb_plugin_is_told_and_not_fatal(plugins: dict[str, str], *, passed: bool) -> None:
    check = checks.check_dicom_web(plugins)

    assert (check.passed, check.fatal) == (passed, False)


@pytest.mark.parametrize(
    ("plugins", "configuration", "passed"),
    [
        ({}, {}, True),
        ({"ohif": "1.3"}, {}, False),
        ({"ohif": "1.3"}, {"OHIF": {}}, False),
        ({"ohif": "1.3"}, {"OHIF": "dicom-web"}, False),
        ({"ohif": "1.3"}, {"OHIF": {"DataSource": "dicom-web"}}, True),
        ({"ohif": "1.4"}, {}, True),
        ({"ohif": "1.10"}, {"OHIF": {"RouterBasename": "/ohif/"}}, True),
        ({"ohif": "mainline"}, {}, True),
        ({"ohif": "1.7"}, {"OHIF": {"DataSource": "dicom-json"}}, False),
        ({"ohif": "1.7"}, {"OHIF": {"DataSource": "dicom-web"}}, True),
    ],
)
def test_orthanc_s_ohif_has_to_ask_for_frames(
    plugins: dict[str, str], configuration: dict[str, Any], *, passed: bool
) -> None:
    assert checks.check_ohif(plugins, configuration).passed is passed


@pytest.mark.parametrize("check", [checks.check_settings, checks.check_store])
def test_an_error_is_the_advice(check: Any) -> None:
    assert check(None).passed
    assert not check("it is full").passed
    assert check("it is full").advice == "it is full"


@pytest.mark.parametrize(
    ("keeps_places", "where", "passed"),
    [(True, "", True), (False, "in a bucket", True), (True, "in a bucket", False)],
)
def test_places_are_kept_of_plain_files_only(keeps_places: bool, where: str, passed: bool) -> None:  # noqa: FBT001
    check = checks.check_mode(keeps_places=keeps_places, where=where)

    assert (check.passed, check.fatal) == (passed, False)
    assert '"auto"' in check.advice
