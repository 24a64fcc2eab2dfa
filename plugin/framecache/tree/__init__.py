"""The static DICOMweb archive, on a folder or in a bucket: its format, writers, readers and derived files."""
