"""A disk-backed cache of DICOM frames for Orthanc's DICOMweb routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framecache.app import install

__all__ = ["__version__", "install"]

__version__ = "1.0.0"


def __getattr__(name: str) -> Any:
    """`install`, when it is asked for (PEP 562): the command line needs nothing of what runs in Orthanc."""
    if name != "install":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from framecache.app import install  # noqa: PLC0415

    return install
