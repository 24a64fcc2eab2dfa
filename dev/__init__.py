"""Development tooling: a real Orthanc from Debian's packages, sample data, `make run` and `make demo`."""
