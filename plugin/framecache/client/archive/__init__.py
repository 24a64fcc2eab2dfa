"""A client of an archive: its index in step with the archive's, and files rebuilt of what an archive keeps."""
