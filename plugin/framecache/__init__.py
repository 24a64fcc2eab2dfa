"""A disk-backed cache of DICOM frames for Orthanc's DICOMweb routes."""

from framecache.host.installation import install

__all__ = ["install"]
