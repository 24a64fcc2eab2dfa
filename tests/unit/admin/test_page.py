"""The page's files: all are there, and no other can be had."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest
from framecache.admin.page import PageFiles, explorer_script
from framecache.errors import NotFound
from hypothesis import given
from hypothesis import strategies as st

from dev.console import CHECKOUT

FOLDER = CHECKOUT / "plugin/framecache/admin/static"
NAMES = [path.name for path in FOLDER.iterdir()]
SITE = "https://pacs.example/prefix/frame-cache/app"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_sent_with_its_type_and_a_tag_of_its_content(name: str) -> None:
    file = PageFiles().file(name)

    assert file.content == (FOLDER / name).read_bytes()
    assert file.content_type.split("; ")[0] in ("text/css", "text/html", "text/javascript", "image/svg+xml")
    assert re.fullmatch(r'"[0-9a-f]{24}"', file.entity_tag)


def test_files_have_different_tags() -> None:
    assert len({PageFiles().file(name).entity_tag for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize(
    "path", ["../__init__.py", "/etc/passwd", "..", ".", "app", "page.js/", "%70age.js", "PAGE.JS"]
)
def test_no_other_file_can_be_had(path: str) -> None:
    with pytest.raises(NotFound):
        PageFiles().file(path)


@given(st.text().filter(lambda path: path not in NAMES))
def test_whatever_is_asked_for_is_a_file_of_the_page_or_none(path: str) -> None:
    with pytest.raises(NotFound):
        PageFiles().file(path)


@pytest.mark.parametrize("address", [SITE, f"{SITE}/"])
def test_the_page_is_reached_with_a_slash_and_without(address: str) -> None:
    """Orthanc tells both as the same path, and a browser takes a relative address differently."""
    path, hops = "", 0
    while (location := PageFiles.location(path)) is not None:
        address, hops = urljoin(address, location), hops + 1
        path = address.removeprefix(SITE).strip("/")

    assert (address, hops <= 2) == (f"{SITE}/index.html", True)
    assert PageFiles().file(path).content_type.startswith("text/html")


def test_each_file_is_used_and_each_that_is_used_is_there() -> None:
    used = {"index.html"}
    for name in NAMES:
        text = (FOLDER / name).read_text()
        used |= set(re.findall(r'(?:href|src)="([\w.-]+)"', text)) | set(re.findall(r'from "\./([\w.-]+)"', text))

    assert used == set(NAMES)


@pytest.mark.parametrize(
    "forbidden", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http:"]
)
def test_no_file_makes_markup_of_text_or_asks_elsewhere(forbidden: str) -> None:
    allowed = {"http://www.w3.org/2000/svg"}  # the name of a vocabulary, never asked for
    for name in NAMES:
        text = (FOLDER / name).read_text()
        for name_of_vocabulary in allowed:
            text = text.replace(name_of_vocabulary, "")
        assert forbidden not in text, name
        assert "https:" not in text, name


def test_orthanc_explorer_is_led_below_any_prefix() -> None:
    addresses = re.findall(r'"([^"]*frame-cache/app[^"]*)"', explorer_script())

    assert addresses
    assert all(address.startswith("../frame-cache/app/index.html") for address in addresses)
