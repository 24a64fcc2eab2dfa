"""The identifiers of an instance: UIDs (PS3.5 section 9.1), or what an archive has in their place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from framecache.errors import NotFound

_UID = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)
_LONGEST_UID = 64  # PS3.5 section 9.1
# What archives hold in the place of a UID: of any letters (an anonymizer's hash), longer, with a space within. Not what
# Orthanc's search takes for a pattern or a list, nor what is a step of a path or no printable character of ASCII.
_IDENTIFIER = re.compile(r"[!-)+-.0->@-\[\]-~]([ -)+-.0->@-\[\]-~]{0,254}[!-)+-.0->@-\[\]-~])?")
_SAFE_IN_A_PATH = "!$&'()+,:;=@"  # RFC 3986 section 3.3


def is_uid(text: str) -> bool:
    """Whether `text` is a UID by PS3.5 9.1, leading zeros let through because archives hold them."""
    return len(text) <= _LONGEST_UID and _UID.fullmatch(text) is not None


def is_identifier(text: str) -> bool:
    """Whether `text` is a UID, or another identifier that Orthanc can be asked for and that may be a key of ours.

    It holds no slash, backslash, asterisk, question mark or control character, and 256 characters at most.
    """
    return _IDENTIFIER.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class InstancePath:
    """The three UIDs of a DICOMweb instance resource (PS3.18 section 10.1.1), or what an archive has in their place.

    Raises NotFound for what identifies nothing.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str

    def __post_init__(self) -> None:
        for uid in (self.study_instance_uid, self.series_instance_uid, self.sop_instance_uid):
            if not is_identifier(uid):
                raise NotFound("there is no such instance")

    def __str__(self) -> str:
        """The path below the DICOMweb root, as a URL has it, without slashes at its ends."""
        return _below_the_root(self.study_instance_uid, self.series_instance_uid, self.sop_instance_uid)


@lru_cache(4096)  # each frame of an answer says where it is found
def _below_the_root(*uids: str) -> str:
    study, series, instance = (quote(uid, _SAFE_IN_A_PATH) for uid in uids)
    return f"studies/{study}/series/{series}/instances/{instance}"
