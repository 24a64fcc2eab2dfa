"""The OHIF viewer, built by its makers, from npm: `python -m dev.ohif` puts it into `.cache/ohif`."""

from __future__ import annotations

import base64
import hashlib
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from dev.console import CACHE, CHECKOUT, SetupError, exit_code, run, say
from dev.once import make_once, one_at_a_time

FOLDER = CACHE / "ohif"
ROOT = "/ohif/"

PACKAGE = "@ohif/app@3.12.10"
# npm's `integrity` of that version.
SHA512 = "0kuF66Mq9c9dMD++bUsTjMrJpXJwaZhz9B4uS244DawAjSkTwIYFU93pxPuRUQixaRi7QAHlF3Fe1qudBlZrmA=="
CONFIGURATION = CHECKOUT / "dev/ohif-config.js"

# The package is built for the root of a site; these are the places that say so.
MOVED = {
    ".js": [
        ('__webpack_require__.p = "/"', f'__webpack_require__.p = "{ROOT}"'),
        ("('/dicom-microscopy-viewer/", f"('{ROOT}dicom-microscopy-viewer/"),
    ],
    ".css": [("url(/", f"url({ROOT}")],
    ".json": [('"/assets/', f'"{ROOT}assets/')],
    ".html": [('="/', f'="{ROOT}'), ("PUBLIC_URL = '/'", f"PUBLIC_URL = '{ROOT}'")],
}


def make_viewer() -> None:
    """Make sure that `.cache/ohif` holds the viewer. Raises SetupError without npm, network or room."""
    recipe = f"{PACKAGE}{SHA512}{MOVED}{CONFIGURATION.read_text()}"
    with one_at_a_time():
        make_once(FOLDER, recipe, _fill)


def _fill() -> None:
    if not shutil.which("npm"):
        raise SetupError("OHIF needs npm, which is not here: apt-get install npm")
    say("Fetching OHIF (49 MB) …")
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        run(
            ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", folder, PACKAGE],
            failure="OHIF cannot be fetched: check the network, or npm's configuration",
        )
        [archive] = Path(folder).glob("*.tgz")
        _check(archive)
        for name, content in _built(archive):
            path = FOLDER / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_moved(path.suffix, content))
    shutil.copyfile(CONFIGURATION, FOLDER / "app-config.js")


def _check(archive: Path) -> None:
    if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != SHA512:
        raise SetupError(f"what npm fetched is not the {PACKAGE} that was checked: try another npm registry")


def _built(archive: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The files below `dist`, the built viewer, with their contents."""
    with tarfile.open(archive) as package:
        for member in package:
            name, content = PurePosixPath(member.name), package.extractfile(member)
            if content is not None and name.is_relative_to("package/dist"):
                yield name.relative_to("package/dist"), content.read()


def _moved(suffix: str, content: bytes) -> bytes:
    """The file's content with all addresses below ROOT."""
    for old, new in MOVED.get(suffix, ()):
        content = content.replace(old.encode(), new.encode())
    return content


if __name__ == "__main__":
    sys.exit(exit_code(make_viewer))
