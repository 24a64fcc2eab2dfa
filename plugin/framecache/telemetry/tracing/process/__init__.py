"""Runs outside Orthanc: `python3 -m framecache.telemetry.tracing.process`."""
