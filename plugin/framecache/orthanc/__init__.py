"""Everything that asks Orthanc: its instances, series and studies, its log of changes, and its log."""
