"""The program of a helper process: decodes, encodes and renders one frame at a time, outside Orthanc's process."""
