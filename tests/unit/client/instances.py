"""DICOM files for the clients' tests: a few studies, which searches tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom import Dataset

from tests.unit.dicom_files import EXPLICIT, encoded, image

ROOT = "1.2.826.0.1.3680043.10.543"


def stored(study: int, series: int, number: int, syntax: str = EXPLICIT, **tags: Any) -> bytes:
    """A file of one 4 × 6 image of three frames, unless `tags` say something else; its pixels tell which it is."""
    data_set = data_set_of(study, series, number, **tags)
    return encoded(data_set, syntax)


def data_set_of(study: int, series: int, number: int, **tags: Any) -> Dataset:
    """The same as a data set."""
    study_uid, series_uid, instance_uid = uids(study, series, number)
    data_set = image(
        StudyInstanceUID=study_uid,
        SeriesInstanceUID=series_uid,
        SOPInstanceUID=instance_uid,
        **{
            "PatientID": f"P{study}",
            "StudyID": f"S{study}",
            "Modality": "OT",
            "SeriesNumber": series,
            "InstanceNumber": number,
            "StudyDate": f"2020010{study}",
            "StudyTime": "120000",
            "PatientName": f"Name^{study}",
            **tags,
        },
    )
    frames = int(data_set.NumberOfFrames)
    data_set.PixelData = b"".join(bytes([16 * study + number] * 23 + [frame]) for frame in range(1, frames + 1))
    data_set["PixelData"].VR = "OB"
    return data_set


def uids(study: int, series: int, number: int) -> tuple[str, str, str]:
    """Those of study, series and instance."""
    return f"{ROOT}.{study}", f"{ROOT}.{study}.{series}", f"{ROOT}.{study}.{series}.{number}"


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write files by their relative paths."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def values(results: list[dict[str, Any]], tag: str) -> list[Any]:
    """The first value of `tag` in each result; None where it has none."""
    return list(_values(results, tag))


def _values(results: list[dict[str, Any]], tag: str) -> Iterator[Any]:
    for result in results:
        yield next(iter(result.get(tag, {}).get("Value", [])), None)
