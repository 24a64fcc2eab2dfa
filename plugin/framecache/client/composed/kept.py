"""Which form of an instance a cache may keep: the one in which it is stored, as all others can be made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framecache.client.retrieval.media_types import MediaTypes
from framecache.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN

if TYPE_CHECKING:
    from pydicom import Dataset

AS_STORED: MediaTypes = (("application/dicom", "*"),)
DEFAULT: MediaTypes = ("application/dicom",)


def is_in(data_set: Dataset, media_types: MediaTypes) -> bool:
    """Whether it is as these ask for; a type alone asks for Explicit VR Little Endian (PS3.18 section 8.7.8)."""
    wanted = {one if isinstance(one, str) else (*one, None)[1] for one in media_types}
    syntaxes = {one if one and "/" not in one else EXPLICIT_VR_LITTLE_ENDIAN for one in wanted}
    return bool({"*", str(data_set.file_meta.TransferSyntaxUID)} & syntaxes)
