"""docs/install.md, typed on a Debian with Orthanc's packages: installed, upgraded, uninstalled."""

from __future__ import annotations

import json
import re
import time

import pytest

from tests.docker.debian_machine import Machine, blocks, debian

pytestmark = pytest.mark.docker

ORTHANC = "http://127.0.0.1:8042"
PATIENCE = 120.0  # seconds
CHANGED = (r'"BuiltinDecoderTranscoderOrder" *: *"Before"', r'"KeepAliveTimeout" *: *60\b')


def test_the_commands_of_the_page_install_upgrade_and_remove_it() -> None:
    install, configure, start, upgrade, remove = blocks()
    with debian() as machine:
        machine.type(install)
        machine.type(configure)
        machine.type(start)
        assert_all_is_well(machine)
        machine.type(upgrade)
        assert_all_is_well(machine)
        machine.type(remove)
        assert "dicom-web" in machine.type(f"curl {ORTHANC}/plugins")
        assert machine.type("ls /opt /var/lib/orthanc").count("rame") == 0


def assert_all_is_well(machine: Machine) -> None:
    """All checks have been made and passed, with what the page changed in Orthanc's own files."""
    deadline = time.monotonic() + PATIENCE
    while not (status := json.loads(machine.type(f"curl {ORTHANC}/frame-cache/status")))["OwnsFrameRoutes"]:
        assert time.monotonic() < deadline, status
        time.sleep(0.2)
    assert status["Serving"]
    assert [check for check in status["Checks"] if "Advice" in check] == []
    assert status["Settings"]["Directory"] == "/var/lib/orthanc/FrameCache"
    configured = machine.type("cat /etc/orthanc/*.json")
    assert all(re.search(pattern, configured) for pattern in CHANGED)
