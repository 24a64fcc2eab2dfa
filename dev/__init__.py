"""Development tooling: a real Orthanc from Debian's packages, sample data, `make run` and `make demo`."""

import sys

# Before any other module of it, which may be beyond an older Python.
if sys.version_info < (3, 11):  # noqa: UP036 - whoever has an older one is to be told so
    sys.exit("error: Python 3.11 or later is needed: name one with make PYTHON=python3.11")
