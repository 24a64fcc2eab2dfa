"""`framecache install` shows, asks, writes and takes back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Command
from tests.unit.installation.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """As packages leave it."""
    site = Site.make(tmp_path)
    site.change(Plugins=[str(site.plugins)], PythonScript=None, Python=None, FrameCache=None, KeepAliveTimeout=None)
    return site


def texts(site: Site) -> dict[str, str]:
    return {path.name: path.read_text() for path in site.configuration.iterdir()}


def test_it_shows_the_difference_writes_it_and_takes_it_back(site: Site, command: Command) -> None:
    before = texts(site)
    done = command("install", str(site.configuration), "--yes")
    assert '+    "AllowThreads": true' in done.output
    assert "Restart Orthanc" in done.notices
    assert "Orthanc's Python is 3.13" in done.notices
    assert set(texts(site)) == {"orthanc.json", "framecache.json", "install_framecache.py", "framecache.undo"}
    assert command("doctor", str(site.configuration), "--offline").output.count("Plugin") >= 3
    assert command("install", str(site.configuration), "--undo", "--yes").code == 0
    assert texts(site) == before


def test_without_yes_and_a_terminal_nothing_is_changed(site: Site, command: Command) -> None:
    before = texts(site)
    done = command("install", str(site.configuration))
    assert (done.code, texts(site)) == (2, before)
    assert "--yes" in done.notices


def test_it_says_so_where_nothing_is_to_be_done(site: Site, command: Command) -> None:
    command("install", str(site.configuration), "--yes")
    assert "Nothing to change." in command("install", str(site.configuration)).output


def test_the_script_finds_the_packages_where_they_are(site: Site, command: Command) -> None:
    command("install", str(site.configuration), "--yes", "--packages", "/opt/it's here")
    script = (site.configuration / "install_framecache.py").read_text()
    assert 'sys.path.insert(0, "/opt/it\'s here")' in script
    compile(script, "install_framecache.py", "exec")


@pytest.mark.parametrize("path", ["/no/such/place", os.devnull])
def test_a_wrong_path_is_named(command: Command, path: str) -> None:
    done = command("install", path, "--yes")
    assert done.code == 1
    assert path in done.notices


def test_the_difference_comes_as_json_for_scripts(site: Site, command: Command) -> None:
    done = command("install", str(site.configuration), "--yes", "--json")
    assert "AllowThreads" in json.loads(done.output)["Difference"]


def test_it_is_taken_back_from_another_folder(site: Site, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    before = texts(site)
    monkeypatch.chdir(site.configuration.parent)
    command("install", site.configuration.name, "--yes")
    monkeypatch.chdir("/")
    assert command("install", str(site.configuration), "--undo", "--yes").code == 0
    assert texts(site) == before


def test_a_record_takes_back_only_what_is_beside_it(site: Site, command: Command, tmp_path: Path) -> None:
    other = str(tmp_path / "other")
    record = {"Before": {other: "planted"}, "After": {other: None}}
    (site.configuration / "framecache.undo").write_text(json.dumps(record))
    done = command("install", str(site.configuration), "--undo", "--yes")
    assert (done.code, "not beside it" in done.notices, Path(other).exists()) == (1, True, False)


def test_a_second_undo_changes_nothing_and_says_so(site: Site, command: Command) -> None:
    before = texts(site)
    command("install", str(site.configuration), "--yes")
    command("install", str(site.configuration), "--undo", "--yes")
    done = command("install", str(site.configuration), "--undo", "--yes")
    assert (done.code, texts(site)) == (1, before)
    assert "nothing to undo" in done.notices


def test_an_undo_of_nothing_names_the_wrong_path(command: Command) -> None:
    done = command("install", "/no/such/place", "--undo", "--yes")
    assert (done.code, "/no/such/place is not there" in done.notices) == (1, True)


def test_a_fault_of_the_machine_is_one_line(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    done = command("install", "orthanc.json")
    assert (done.code, done.notices.count("\n"), "No such file or directory" in done.notices) == (1, 1, True)
