"""The Debian mirror is the one that the machine's own apt uses; without apt or network one line says so."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dev.console import SetupError
from dev.debian import AptRoot, choose_mirror, mirror

MAIN = "'http://mirror.example/debian/dists/bookworm/InRelease' mirror.example_debian_dists_bookworm_InRelease 0 \n"
UPDATES = MAIN.replace("bookworm/", "bookworm-updates/")
SECURITY = MAIN.replace("debian/dists/bookworm/", "debian-security/dists/bookworm-security/")
OTHER = "'https://vendor.example/apt/dists/bookworm/InRelease' vendor.example_apt_dists_bookworm_InRelease 0 \n"
UNUSUAL = "'https://snapshots.example/today/dists/bookworm/InRelease' x 0 \n"


@pytest.mark.parametrize(
    ("listing", "address"),
    [
        (MAIN, "http://mirror.example/debian"),
        (SECURITY + UPDATES + MAIN, "http://mirror.example/debian"),
        (OTHER + MAIN, "http://mirror.example/debian"),
        (UNUSUAL, "https://snapshots.example/today"),
    ],
)
def test_the_mirror_of_the_machines_own_release_is_taken(listing: str, address: str) -> None:
    assert choose_mirror(listing, "bookworm") == address


@pytest.mark.parametrize(("listing", "codename"), [("", "bookworm"), (UPDATES + SECURITY, "bookworm"), (MAIN, "")])
def test_a_machine_without_debian_sources_is_told_to_name_a_mirror(listing: str, codename: str) -> None:
    with pytest.raises(SetupError, match="set DEBIAN_MIRROR="):
        choose_mirror(listing, codename)


def test_a_mirror_that_the_caller_names_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBIAN_MIRROR", "http://chosen.example/debian")

    assert mirror() == "http://chosen.example/debian"


def test_an_unreachable_mirror_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBIAN_MIRROR", "http://127.0.0.1:1/debian")

    with pytest.raises(SetupError, match=r"http://127\.0\.0\.1:1/debian did not give trixie: .*Connection refused"):
        AptRoot("trixie").__enter__()


def test_a_machine_without_apt_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SetupError, match="apt-get is missing"):
        mirror()


def test_nothing_of_the_private_root_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("dev.debian.CACHE", tmp_path)
    monkeypatch.setenv("DEBIAN_MIRROR", "http://127.0.0.1:1/debian")
    apt = tmp_path / "bin/apt-get"
    apt.parent.mkdir()
    apt.write_text("#!/bin/sh\nexit 0\n")
    apt.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(apt.parent), prepend=":")

    with AptRoot("trixie"):
        [root] = set(tmp_path.iterdir()) - {apt.parent}
        assert "http://127.0.0.1:1/debian trixie main" in (root / "sources.list").read_text()
    assert list(tmp_path.iterdir()) == [apt.parent]
