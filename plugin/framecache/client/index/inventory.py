"""An index as an instance of DICOM's Inventory (Supplement 223; PS3.3 section C.38.1), with the files of instances.

It is an ordinary data set, which pydicom writes. Attributes that the module does not list are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from framecache.client.index.entries import Entry
from framecache.client.index.exchange import replaced
from framecache.client.index.schema import stored_attributes
from framecache.dicomweb.attributes import KeyAttribute, Level

if TYPE_CHECKING:
    from pydicom import Dataset

SUFFIX = ".dcm"
_SOP_CLASS = "1.2.840.10008.5.1.4.1.1.201.1"
_UTF_8 = "ISO_IR 192"
# Those of type 1 and 2, which each record has, and the others that the module lists (table C.38.1-1).
_WITHOUT_VALUE_TOO: Mapping[Level, tuple[str, ...]] = {
    Level.STUDY: (
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "StudyDescription",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "StudyID",
    ),
    Level.SERIES: ("Modality", "SeriesInstanceUID", "SeriesNumber"),
    Level.INSTANCE: ("SOPClassUID", "SOPInstanceUID", "InstanceNumber"),
}
_WITH_VALUE: Mapping[Level, tuple[str, ...]] = {
    Level.STUDY: ("ReferringPhysicianName", "IssuerOfPatientID"),
    Level.SERIES: ("SeriesDescription", "BodyPartExamined", "Laterality", "RequestAttributesSequence"),
    Level.INSTANCE: ("NumberOfFrames", "Rows", "Columns", "BitsAllocated", "ContentDate", "ContentTime"),
}
_OTHER = "OT"  # the modality of a series that tells none, as it is of type 1


@dataclass(slots=True)
class _Group:
    """The records of a study or series, and what its first instance says of it."""

    values: Mapping[str, Any]
    records: dict[str, _Group] = field(default_factory=dict)
    instances: list[Entry] = field(default_factory=list)


def write_inventory(path: Path, entries: Iterable[Entry], base_url: str) -> int:
    """Write the inventory to the file `path`, as a whole or not at all and with mode 0600; of how many instances.

    `base_url` is that of the folder in which the files are. Raises OSError.
    """
    from pydicom import dcmwrite  # noqa: PLC0415 - numpy comes with it

    groups = _grouped(entries)
    with replaced(path) as written:
        dcmwrite(written, _inventory(groups, base_url), enforce_file_format=True, overwrite=True)
    return sum(len(series.instances) for study in groups for series in study.records.values())


def _grouped(entries: Iterable[Entry]) -> list[_Group]:
    studies: dict[str, _Group] = {}
    for entry in entries:
        values = entry.record.values
        study = studies.setdefault(str(values["StudyInstanceUID"]), _Group(values))
        series = study.records.setdefault(str(values["SeriesInstanceUID"]), _Group(values))
        series.instances.append(entry)
    return list(studies.values())


def _inventory(studies: list[_Group], base_url: str) -> Dataset:
    from pydicom import Dataset  # noqa: PLC0415
    from pydicom.dataset import FileMetaDataset  # noqa: PLC0415
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid  # noqa: PLC0415

    now, made = datetime.now().astimezone(), Dataset()
    made.SpecificCharacterSet = _UTF_8
    made.SOPClassUID, made.SOPInstanceUID = _SOP_CLASS, generate_uid()
    made.ContentDate, made.ContentTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    made.ScopeOfInventorySequence = []  # of all studies
    made.InventoryPurpose = made.Manufacturer = ""
    made.InventoryLevel, made.InventoryCompletionStatus = "INSTANCE", "COMPLETE"
    made.IncorporatedInventoryInstanceSequence = []
    made.InventoriedStudiesSequence = [_study(one, base_url, now.strftime("%Y%m%d%H%M%S%z")) for one in studies]
    made.NumberOfStudyRecordsInInstance = made.TotalNumberOfStudyRecords = len(studies)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def _study(study: _Group, base_url: str, now: str) -> Dataset:
    record = _record(Level.STUDY, study.values)
    record.SpecificCharacterSet = _UTF_8
    record.ItemInventoryDateTime, record.StudyUpdateDateTime = now, None
    record.InventoriedSeriesSequence = [_series(one, base_url) for one in study.records.values()]
    record.ModalitiesInStudy = sorted({one.Modality for one in record.InventoriedSeriesSequence})
    record.NumberOfStudyRelatedSeries = len(study.records)
    record.NumberOfStudyRelatedInstances = sum(len(one.instances) for one in study.records.values())
    return record


def _series(series: _Group, base_url: str) -> Dataset:
    record = _record(Level.SERIES, series.values)
    record.Modality = record.Modality or _OTHER
    record.InventoriedInstancesSequence = [_instance(one, base_url) for one in series.instances]
    return record


def _instance(entry: Entry, base_url: str) -> Dataset:
    from pydicom import Dataset  # noqa: PLC0415

    record, access = _record(Level.INSTANCE, entry.record.values), Dataset()
    access.FileAccessURI = f"{base_url}/{quote(entry.location)}"
    access.StoredInstanceTransferSyntaxUID = entry.record.transfer_syntax_uid
    record.FileAccessSequence = [access]
    return record


def _record(level: Level, values: Mapping[str, Any]) -> Dataset:
    from pydicom import Dataset  # noqa: PLC0415

    record = Dataset()
    for one in stored_attributes(level):
        if values.get(one.keyword) and one.keyword in (*_WITHOUT_VALUE_TOO[level], *_WITH_VALUE[level]):
            with suppress(ValueError, TypeError, AttributeError):  # what no file may say, pydicom does not take
                _put(record, one, values[one.keyword])
    for keyword in _WITHOUT_VALUE_TOO[level]:
        if keyword not in record:
            setattr(record, keyword, None)
    return record


def _put(record: Dataset, attribute: KeyAttribute, value: Any) -> None:
    from pydicom import DataElement, Dataset  # noqa: PLC0415
    from pydicom.config import IGNORE  # noqa: PLC0415 - archives have values that VRs forbid

    if attribute.vr == "SQ":
        record.update(Dataset.from_json({attribute.hex_tag: {"vr": "SQ", "Value": loads(value)}}))
        return
    record.add(DataElement(attribute.tag, attribute.vr, value, validation_mode=IGNORE))
