"""Data sets to be stored as files, and the answer about them (PS3.18 section 10.5.3 and annex I.2)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from framecache.client.collection import Outcome
from framecache.client.errors import ConflictError, InvalidRequestError

if TYPE_CHECKING:
    from pydicom import Dataset

# PS3.18 annex I.2.2 and PS3.4 section B.2.3.
_CANNOT_UNDERSTAND, _REFUSED, _PROCESSING_FAILURE = 0xC000, 0xA700, 0x0110


def encoded(datasets: Sequence[Dataset], study_instance_uid: str | None) -> tuple[list[bytes], list[Outcome]]:
    """DICOM files of data sets, and why others are refused: of another study than is said, or not to be written."""
    files: list[bytes] = []
    refused: list[Outcome] = []
    for data_set in datasets:
        uids = (str(data_set.get("SOPClassUID", "")), str(data_set.get("SOPInstanceUID", "")))
        if study_instance_uid is not None and data_set.get("StudyInstanceUID") != study_instance_uid:
            refused.append(Outcome(*uids, 409, "it is of another study"))
            continue
        try:
            files.append(file_of(data_set))
        except Exception as error:  # noqa: BLE001 - pydicom raises what it meets; its message may hold values
            refused.append(Outcome(*uids, 400, f"it cannot be written ({type(error).__name__})"))
    return files, refused


def file_of(data_set: Dataset) -> bytes:
    """The file of a data set, in the transfer syntax that it names, else in Explicit VR Little Endian."""
    from pydicom import dcmwrite  # noqa: PLC0415 - numpy comes with it
    from pydicom.dataset import FileMetaDataset  # noqa: PLC0415
    from pydicom.uid import ExplicitVRLittleEndian  # noqa: PLC0415

    if getattr(data_set, "file_meta", None) is None or "TransferSyntaxUID" not in data_set.file_meta:
        meta = FileMetaDataset(getattr(data_set, "file_meta", None) or {})
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data_set = data_set.copy()
        data_set.file_meta = meta
    stream = io.BytesIO()
    dcmwrite(stream, data_set, enforce_file_format=True)
    return stream.getvalue()


def store_response(outcomes: Sequence[Outcome], base_url: str) -> Dataset:
    """The Store Instances Response Module. Raises InvalidRequestError for nothing, ConflictError where all failed."""
    from pydicom import Dataset  # noqa: PLC0415

    if not outcomes:
        raise InvalidRequestError("there is nothing to store", f"{base_url}/studies")
    failed = [one for one in outcomes if one.status != 200]  # noqa: PLR2004 - HTTP's
    if len(failed) == len(outcomes):
        raise ConflictError(f"nothing was stored: {failed[0].reason}", f"{base_url}/studies")
    response = Dataset()
    response.RetrieveURL = f"{base_url}/studies"
    response.ReferencedSOPSequence = [_reference(one) for one in outcomes if one.status == 200]  # noqa: PLR2004
    if failed:
        response.FailedSOPSequence = [_failure(one) for one in failed]
    return response


def _reference(outcome: Outcome) -> Dataset:
    from pydicom import Dataset  # noqa: PLC0415

    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = outcome.sop_class_uid, outcome.sop_instance_uid
    return item


def _failure(outcome: Outcome) -> Dataset:
    item = _reference(outcome)
    codes = {400: _CANNOT_UNDERSTAND, 409: _CANNOT_UNDERSTAND, 503: _REFUSED}
    item.FailureReason = codes.get(outcome.status, _PROCESSING_FAILURE)
    return item
