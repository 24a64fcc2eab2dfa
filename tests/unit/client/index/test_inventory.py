"""An index as a DICOM Inventory: what pydicom reads in it, and where it leads to."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from framecache.client import DICOMfileClient
from pydicom import Dataset, dcmread

from tests.unit.client.instances import stored, uids, write
from tests.unit.dicom_files import DEFLATED, EXPLICIT, IMPLICIT

EVA: dict[str, Any] = {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Eva"}
FILES = {
    "a": stored(1, 1, 1, **EVA),
    "deep/b ü": stored(1, 2, 1, IMPLICIT, **EVA, Modality="MR", SeriesDescription="Kopf"),
    "deep/c": stored(1, 1, 2, DEFLATED, **EVA),
    "d": stored(2, 1, 1, Modality="", StudyDate="", SeriesNumber=None),
    "README": b"no DICOM file",
}
# PS3.3 table C.38.1-1: of type 1 and of type 2.
HAS_VALUE = {
    "": {"ContentDate", "ContentTime", "InventoryLevel", "InventoryCompletionStatus", "SOPClassUID", "SOPInstanceUID"},
    "study": {"StudyInstanceUID", "ItemInventoryDateTime"},
    "series": {"SeriesInstanceUID", "Modality"},
    "instance": {"SOPClassUID", "SOPInstanceUID"},
}
IS_THERE = {
    "": {"ScopeOfInventorySequence", "InventoryPurpose", "IncorporatedInventoryInstanceSequence", "Manufacturer"},
    "study": {"StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy", "StudyUpdateDateTime", "StudyID",
              "StudyDescription", "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
              "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"},
    "series": {"SeriesNumber"},
    "instance": {"InstanceNumber"},
}  # fmt: skip


@pytest.fixture
def inventory(tmp_path: Path) -> Dataset:
    write(tmp_path / "files", FILES)
    with DICOMfileClient(tmp_path / "files", in_memory=True) as client:
        assert client.export_index(tmp_path / "inventory.dcm") == 4
    assert oct((tmp_path / "inventory.dcm").stat().st_mode & 0o777) == "0o600"
    return dcmread(tmp_path / "inventory.dcm")


def items(inventory: Dataset) -> list[tuple[str, Dataset]]:
    """All records with the names of their levels, and the inventory's own attributes with none."""
    found = [("", inventory)]
    for study in inventory.InventoriedStudiesSequence:
        found.append(("study", study))
        for series in study.InventoriedSeriesSequence:
            found.append(("series", series))
            found += [("instance", one) for one in series.InventoriedInstancesSequence]
    return found


def test_each_record_has_the_attributes_that_the_module_requires(inventory: Dataset) -> None:
    assert inventory.SOPClassUID == inventory.file_meta.MediaStorageSOPClassUID == "1.2.840.10008.5.1.4.1.1.201.1"
    for level, record in items(inventory):
        assert all(record.get(keyword) for keyword in HAS_VALUE[level])
        assert all(keyword in record for keyword in IS_THERE[level])


def test_studies_and_series_are_counted_and_described(inventory: Dataset) -> None:
    first, second = inventory.InventoriedStudiesSequence
    assert inventory.NumberOfStudyRecordsInInstance == inventory.TotalNumberOfStudyRecords == 2
    assert (first.PatientName, first.ModalitiesInStudy, first.StudyDate) == ("Müller^Eva", ["MR", "OT"], "20200101")
    assert (first.NumberOfStudyRelatedSeries, first.NumberOfStudyRelatedInstances) == (2, 3)
    assert first.InventoriedSeriesSequence[1].SeriesDescription == "Kopf"
    assert (second.StudyDate, second.InventoriedSeriesSequence[0].Modality) == ("", "OT")
    [instance] = second.InventoriedSeriesSequence[0].InventoriedInstancesSequence
    assert (instance.SOPInstanceUID, instance.NumberOfFrames, instance.Rows) == (uids(2, 1, 1)[2], 3, 4)


def test_each_instance_leads_to_its_file(inventory: Dataset) -> None:
    syntaxes = set()
    for level, record in items(inventory):
        if level == "instance":
            [access] = record.FileAccessSequence
            file = dcmread(unquote(access.FileAccessURI.removeprefix("file://")))
            assert file.SOPInstanceUID == record.SOPInstanceUID
            assert file.file_meta.TransferSyntaxUID == access.StoredInstanceTransferSyntaxUID
            syntaxes.add(str(access.StoredInstanceTransferSyntaxUID))
    assert syntaxes == {EXPLICIT, IMPLICIT, DEFLATED}
