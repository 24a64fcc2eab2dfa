"""The VRs and keywords of standard attributes (PS3.6), for files that do not say VRs and for XML."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

_REPEATING_GROUPS = (0x5000, 0x6000)  # curves and overlays (PS3.5 section 7.6)
_PRIVATE = 0x00010000
_PRIVATE_CREATORS = range(0x10, 0x100)  # PS3.5 section 7.8.1


class Attribute(NamedTuple):
    """What PS3.6 says of a tag; `vr` may be several, as "US or SS"."""

    vr: str
    keyword: str


def lookup(tag: int) -> Attribute | None:
    """The attribute of `tag`; None for private ones and those that PS3.6 does not have."""
    if tag & _PRIVATE:
        return None
    group = tag >> 16 & 0xFF00
    if group in _REPEATING_GROUPS:
        return _repeating(tag)
    row = _standard().get(tag)
    return Attribute(row[0], row[4]) if row else None


def _repeating(tag: int) -> Attribute | None:
    row = _of_repeating_groups().get(f"{tag >> 24:02X}xx{tag & 0xFFFF:04X}")
    return Attribute(row[0], row[4]) if row else None


def _standard() -> Mapping[int, tuple[str, ...]]:
    return _tables().DicomDictionary  # type: ignore[no-any-return]


def _of_repeating_groups() -> Mapping[str, tuple[str, ...]]:
    return _tables().RepeatersDictionary  # type: ignore[no-any-return]


@cache
def _tables() -> ModuleType:
    """The tables of pydicom, without the rest of it, which imports numpy: 80 MB in Orthanc's own process."""
    package = importlib.util.find_spec("pydicom")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("pydicom")
    path = Path(package.origin).with_name("_dicom_dict.py")
    spec = importlib.util.spec_from_file_location("framecache.dicom.model._tables", path)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def vr_of(tag: int, *, is_signed: bool) -> str:
    """The VR of `tag` where the file has none; `is_signed` is what Pixel Representation says."""
    vr = _vr(tag)
    if vr == "US or SS":
        return "SS" if is_signed else "US"
    return "OW" if " or " in vr else vr


@lru_cache(8192)
def _vr(tag: int) -> str:
    attribute = lookup(tag)
    if attribute is not None:
        return attribute.vr
    return "LO" if tag & _PRIVATE and tag & 0xFFFF in _PRIVATE_CREATORS else "UN"
