"""Writing to the archive what Orthanc stores, and what it deletes."""
