"""`python -m tests.soak --suite trixie --minutes 20`: the run, its report, and code 1 where a fault was found."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from dev.console import CHECKOUT
from dev.orthanc_folder import SUITES
from tests.soak.runner import soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--suite", choices=SUITES, default=SUITES[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--output", type=Path, default=CHECKOUT / "docs/soak", help="the folder of the report")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        result = soak(options.suite, Path(folder), options.minutes * 60)
    result.write(options.output)
    print(result.markdown())  # noqa: T201
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())
