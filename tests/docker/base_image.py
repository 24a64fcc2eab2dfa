"""The images that the tests deploy on: one of Debian's packages, in the shape of orthancteam/orthanc and others.

The folders beside this file (orthancteam, postgres, nginx) say what stands in for what.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from dev.console import CACHE, run
from dev.debian import mirror
from tests.docker.engine import succeeds

SUITE = "forky"
"""Debian's release with the same versions as orthancteam/orthanc:26.8.1."""

ORTHANC = ("orthanc", "orthanc-dicomweb", "orthanc-python", "orthanc-gdcm", "python3-pip", "ca-certificates")
CLUSTER = ("orthanc-postgresql", "postgresql-18", "nginx-light", "curl")
PACKAGES = (*ORTHANC, *CLUSTER)


def stand_in(name: str) -> str:
    """Build the image of the folder `name`, from Debian's packages if the engine does not have them already.

    Returns its tag.
    """
    tag = f"framecache-test-{name}"
    build = ["docker", "build", "--quiet", "--build-arg", f"DEBIAN_IMAGE={debian_image()}", "--tag", tag]
    run([*build, str(Path(__file__).parent / name)], failure=f"the test's image {name} cannot be built")
    return tag


def debian_image() -> str:
    recipe = " ".join((SUITE, *PACKAGES))
    tag = f"framecache-test-debian:{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    if not succeeds("docker", "image", "inspect", tag):
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            archive = Path(folder) / "root.tar"
            unpack_debian(archive)
            run(["docker", "import", str(archive), tag], failure="Docker cannot import Debian")
    return tag


def unpack_debian(archive: Path) -> None:
    """Put a minimal Debian with Orthanc, PostgreSQL and nginx into the tar file `archive`, about 570 MB."""
    # The Release file of a suite in the making may be past its Valid-Until.
    options = ["--variant=minbase", '--aptopt=Acquire::Check-Valid-Until "false"', f"--include={','.join(PACKAGES)}"]
    failure = f"the Debian mirror {mirror()} did not give {SUITE}: check the network or set DEBIAN_MIRROR"
    run(["mmdebstrap", *options, SUITE, str(archive), mirror()], failure=failure)
