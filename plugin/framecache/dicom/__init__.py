"""DICOM itself: identities, stored files, and the positions of frames in them. Independent of HTTP and Orthanc."""
