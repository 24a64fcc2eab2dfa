"""`framecache archive`: the static DICOMweb archive from the command line. No Orthanc is needed, but for `export`."""
