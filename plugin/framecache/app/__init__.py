"""Puts the parts together inside one Orthanc: the composition root."""

from framecache.app.installation import install

__all__ = ["install"]
