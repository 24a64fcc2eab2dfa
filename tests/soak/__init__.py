"""`make soak`: everything at once for long, against a real Orthanc, with faults; it fails where something grows."""
