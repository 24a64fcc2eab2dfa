"""Instances whose UIDs are none, as anonymizers and old archives leave them: asked for on all routes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydicom import config, dcmread

from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import AS_STORED, Archive
from tests.integration.parts import parts_of

pytestmark = pytest.mark.orthanc

IDENTIFIERS = ("f" * 64, "9" * 65, "1.2.840.00001.007", "anonymous", "{3F2504E0-4F89}", "x,y;z=1&2")


def renamed(identifier: str, folder: Path) -> bytes:
    """A sample of two frames with that in the place of its three UIDs."""
    sample = Sample(frames=2, rows=32, columns=32, seed=100 + IDENTIFIERS.index(identifier))
    with config.disable_value_validation():
        data_set: Any = dcmread(sample.write(folder / "sample.dcm"))
        for level, keyword in enumerate(("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")):
            data_set[keyword].value = f"{identifier}.{level}" if level else identifier
        data_set.file_meta["MediaStorageSOPInstanceUID"].value = "2.25.1"
        data_set.PatientID = identifier[:32]
        stream = BytesIO()
        data_set.save_as(stream)
    return stream.getvalue()


@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_what_is_no_uid_is_served_on_all_routes(archive: Archive, tmp_path: Path, identifier: str) -> None:
    orthanc_id = archive.upload(renamed(identifier, tmp_path))
    study, series, instance = (quote(text, safe="") for text in (identifier, f"{identifier}.1", f"{identifier}.2"))
    stored = Instance(orthanc_id, study, series, instance)
    archive.wait_until_cached(stored)

    frames = archive.frames(stored, "1,2", AS_STORED)
    assert frames.status_code == 200, frames.text
    assert (frames.status_code, frames.headers["X-Frame-Cache"]) == (200, "hit")
    assert [part.payload for part in parts_of(frames)] == [
        part.payload for part in archive.stock_parts(stored, "1,2", AS_STORED)
    ]
    for resource in ("/frames/2/rendered", "/rendered", "/frames", ""):
        assert archive.get(stored.path + resource, accept="*/*").status_code == 200, resource
    series_path = stored.path.rpartition("/instances/")[0]
    assert archive.get(f"{series_path}/thumbnail", accept="*/*").status_code == 200
    for whole in (series_path, series_path.rpartition("/series/")[0]):
        answer = archive.get(whole, accept="*/*")
        assert (answer.status_code, answer.headers.get("X-Frame-Cache")) == (200, "file"), whole
    assert archive.progress(stored)["State"] == "cached"


@pytest.mark.parametrize("identifier", ["*", "1.2.*", "1.%3F", "%3F", "1%5C2", "1.2%00", "%0D%0A", "%FF"])
def test_a_pattern_finds_nothing(archive: Archive, tmp_path: Path, identifier: str) -> None:
    archive.upload(renamed("anonymous", tmp_path))
    for path in (
        f"studies/{identifier}/series/anonymous.1/instances/anonymous.2",
        f"studies/anonymous/series/{identifier}/instances/anonymous.2",
        f"studies/anonymous/series/anonymous.1/instances/{identifier}",
    ):
        for resource in ("/frames/1", "/frames", "/rendered", ""):
            assert archive.get(f"/dicom-web/{path}{resource}", accept="*/*").status_code in (400, 404), resource
    for whole in (f"studies/{identifier}", f"studies/{identifier}/series/anonymous.1"):
        assert archive.get(f"/dicom-web/{whole}", accept="*/*").status_code in (400, 404), whole
