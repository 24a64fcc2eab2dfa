"""Runs outside Orthanc: `python3 -m framecache.tracing.process`."""
