"""A folder of DICOM files as a collection."""
