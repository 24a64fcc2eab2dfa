"""The PythonScript of Orthanc: installs the frame cache. Nothing else imports `orthanc`."""

import orthanc
from framecache import install

install(orthanc)
