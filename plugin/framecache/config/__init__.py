"""The "FrameCache" section of Orthanc's configuration."""
