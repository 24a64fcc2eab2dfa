"""Inside one Orthanc: its callbacks, the start-up checks, what an operator sees, and how all is put together."""
