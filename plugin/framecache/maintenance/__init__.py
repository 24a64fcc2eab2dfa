"""Keeps the cache true and bounded: invalidation, reconciliation with Orthanc, housekeeping."""
