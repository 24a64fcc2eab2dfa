#!/bin/sh
# Orthanc becomes PID 1, so that Docker's SIGTERM reaches it.
set -e
python3 /startup/configuration.py > /tmp/orthanc.json
exec Orthanc "$@"
