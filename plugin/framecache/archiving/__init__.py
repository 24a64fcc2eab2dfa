"""Writes to the archive what Orthanc stores, and ends there what it deletes."""
