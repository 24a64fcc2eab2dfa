"""DICOM itself: identities, stored files, where frames lie in them. Nothing here knows HTTP or Orthanc."""
