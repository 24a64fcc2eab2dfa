"""The attributes of PS3.6, private ones, and a site's own: their VRs, where a file does not say them, and keywords."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType, ModuleType

_PRIVATE = 0x00010000
_PRIVATE_CREATORS = range(0x10, 0x100)  # PS3.5 section 7.8.1
_REPEATING_GROUPS = (0x5000, 0x6000)  # curves and overlays (PS3.5 section 7.6)
# Their first and third values are never negative (PS3.3 section C.11.1.1.1), and so DCMTK reads them all.
_LUT_DESCRIPTORS = frozenset({0x00281101, 0x00281102, 0x00281103, 0x00283002})


class Dictionary:
    """What is known of tags; `own` are a site's attributes: tag, private creator ("" if not private) and VR."""

    def __init__(self, own: Iterable[tuple[int, str, str]] = (), *, has_private: bool = True) -> None:
        self._own: Mapping[tuple[int, str], str] = MappingProxyType(
            {(_within_its_block(tag, creator), creator): vr for tag, creator, vr in own}
        )
        self._has_private = has_private
        self._vr = lru_cache(8192)(self._look_up)

    def vr(self, tag: int, creator: str, *, is_signed: bool) -> str:
        """The VR of `tag`, "UN" if nothing is known; `is_signed` is what Pixel Representation says."""
        vr = self._vr(tag, creator)
        if vr == "US or SS":
            return "SS" if is_signed and tag not in _LUT_DESCRIPTORS else "US"
        return "OW" if " or " in vr else vr  # PS3.5 section A.1

    def _look_up(self, tag: int, creator: str) -> str:
        own = self._own.get((_within_its_block(tag, creator), creator))
        if own is not None or not tag & _PRIVATE:
            return own or _row(tag)[0]
        if tag & 0xFFFF in _PRIVATE_CREATORS:
            return "LO"
        return _private_row(tag, creator)[0] if creator and self._has_private else "UN"


STANDARD = Dictionary()


def keyword(tag: int) -> str:
    """The keyword of `tag`; "" for private attributes, and those that PS3.6 does not have."""
    return "" if tag & _PRIVATE else _row(tag)[-1]


def _within_its_block(tag: int, creator: str) -> int:
    """The same for each block that the creator may have reserved."""
    return tag & 0xFFFF00FF if creator else tag


_UNKNOWN = ("UN", "")


def _row(tag: int) -> tuple[str, ...]:
    if tag >> 16 & 0xFF00 in _REPEATING_GROUPS:
        return _table("_dicom_dict").RepeatersDictionary.get(f"{tag >> 24:02X}xx{tag & 0xFFFF:04X}", _UNKNOWN)  # type: ignore[no-any-return]
    return _table("_dicom_dict").DicomDictionary.get(tag, _UNKNOWN)  # type: ignore[no-any-return]


def _private_row(tag: int, creator: str) -> tuple[str, ...]:
    rows = _table("_private_dict").private_dictionaries.get(creator, {})
    return rows.get(f"{tag >> 16:04X}xx{tag & 0xFF:02X}", _UNKNOWN)  # type: ignore[no-any-return]


@cache
def _table(name: str) -> ModuleType:
    """A module of pydicom's tables, without pydicom: that imports numpy, 80 MB in Orthanc's own process."""
    package = importlib.util.find_spec("pydicom")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("pydicom")
    path = Path(package.origin).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"{__name__}.{name}", path)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
