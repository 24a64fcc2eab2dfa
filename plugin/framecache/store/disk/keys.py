"""The keys of the index's rows.

`i/<UIDs>` is the record of an instance, `f/<attachment>/<representation>/<first>-<count>` a block of frames,
`t/<attachment>` an index of frames that stay in the stored file: these have the instance's Orthanc ID as their tag.
`p/<StudyInstanceUID>` pins a study, `n/<name>` is a note.
"""

from __future__ import annotations

import json

from framecache.dicom.identity import InstancePath
from framecache.store.parts import InstanceVersion

RECORDS, BLOCKS, INDEXES, PINS, NOTES = "i/", "f/", "t/", "p/", "n/"


def record_key(path: InstancePath) -> str:
    """The key of an instance's record."""
    return f"{RECORDS}{path.study_instance_uid}/{path.series_instance_uid}/{path.sop_instance_uid}"


def study_of(record_key: str) -> str:
    """The Study Instance UID in the key of a record."""
    return record_key.removeprefix(RECORDS).partition("/")[0]


def blocks_prefix(attachment_uuid: str) -> str:
    """What the keys of all blocks of one version of an instance begin with."""
    return f"{BLOCKS}{attachment_uuid}/"


def index_key(version: InstanceVersion) -> str:
    """The key of the index of one version of an instance."""
    return f"{INDEXES}{version.attachment_uuid}"


def attachment_of(key: str, record: bytes | None) -> str:
    """Of which attachment a row is; a record names it in its value. "" stands for a record that cannot be read."""
    if not key.startswith(RECORDS):
        return key[2:].partition("/")[0]
    try:
        return str(json.loads(record or b"")["attachment_uuid"])
    except (ValueError, TypeError, KeyError):
        return ""
