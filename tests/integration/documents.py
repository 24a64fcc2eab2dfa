"""Instances without pixels: the stock plugin sends what is in them."""

from __future__ import annotations

from io import BytesIO

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from dev.upload import Instance
from tests.integration.archive import Archive

STUDY, SERIES, INSTANCE = "2.25.7001", "2.25.7002", "2.25.7003"
PDF = b"%PDF-1.4\n%%EOF\n "


def store_document(archive: Archive) -> Instance:
    """An encapsulated PDF (PS3.3 section A.45.1)."""
    return Instance(archive.upload(_file()), STUDY, SERIES, INSTANCE)


def _file() -> bytes:
    data_set, meta, stream = Dataset(), FileMetaDataset(), BytesIO()
    data_set.SOPClassUID, data_set.SOPInstanceUID = EncapsulatedPDFStorage, INSTANCE
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = STUDY, SERIES
    data_set.PatientID = data_set.PatientName = "document"
    data_set.MIMETypeOfEncapsulatedDocument, data_set.EncapsulatedDocument = "application/pdf", PDF
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data_set.file_meta = meta
    data_set.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
