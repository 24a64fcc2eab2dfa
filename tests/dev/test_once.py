"""A folder is made once: again only when its recipe changed, its place changed, or making it broke off."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.once import make_once


def making(folder: Path, recipe: str) -> bool:
    """Whether `make_once` had to make the folder."""
    made = []

    def make() -> None:
        made.append(folder)
        (folder / "part").touch(exist_ok=False)

    make_once(folder, recipe, make)
    return bool(made)


def test_the_same_recipe_is_followed_once(tmp_path: Path) -> None:
    assert making(tmp_path / "a/b", "recipe")
    assert not making(tmp_path / "a/b", "recipe")


def test_another_recipe_makes_the_folder_anew(tmp_path: Path) -> None:
    making(tmp_path / "folder", "recipe")
    (tmp_path / "folder/stale").touch()

    assert making(tmp_path / "folder", "better recipe")
    assert not (tmp_path / "folder/stale").exists()


def test_a_moved_folder_is_made_anew_as_its_files_name_their_place(tmp_path: Path) -> None:
    making(tmp_path / "here", "recipe")
    (tmp_path / "here").rename(tmp_path / "there")

    assert making(tmp_path / "there", "recipe")


def test_a_folder_behind_a_link_is_the_same_folder(tmp_path: Path) -> None:
    making(tmp_path / "shared/folder", "recipe")
    (tmp_path / "link").symlink_to(tmp_path / "shared")

    assert not making(tmp_path / "link/folder", "recipe")


def test_what_broke_off_is_made_anew(tmp_path: Path) -> None:
    def break_off() -> None:
        (tmp_path / "folder/part").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_once(tmp_path / "folder", "recipe", break_off)

    assert making(tmp_path / "folder", "recipe")
