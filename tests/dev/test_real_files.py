"""Real files out of packages: what is DICOM in them, wherever it lies."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from dev import real_files

DICOM = bytes(128) + b"DICM" + b"content"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    zipped = io.BytesIO()
    with ZipFile(zipped, "w") as inner:
        inner.writestr("cine.dcm", DICOM)
    path = tmp_path / "package-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as package:
        for name, content in (("a/image.dcm", DICOM), ("a/cine.zip", zipped.getvalue()), ("setup.py", b"code")):
            member = tarfile.TarInfo(f"package-1.0/{name}")
            member.size = len(content)
            package.addfile(member, io.BytesIO(content))
    return path


def test_images_are_found_in_an_archive_and_in_a_zip_within(archive: Path) -> None:
    found = dict(real_files.members(archive))
    assert {name for name, content in found.items() if content == DICOM} == {"a/image.dcm", "a/cine.dcm"}


def test_only_dicom_is_kept(archive: Path, tmp_path: Path) -> None:
    real_files.keep(tmp_path / "files", real_files.members(archive))
    kept = [path.relative_to(tmp_path / "files") for path in (tmp_path / "files").rglob("*.*")]
    assert sorted(map(str, kept)) == ["a/cine.dcm", "a/image.dcm"]
