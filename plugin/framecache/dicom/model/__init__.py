"""A data set as DICOM JSON (PS3.18 annex F) and as Native DICOM Model (PS3.19 annex A)."""
