"""The benchmark that anyone can repeat: `make bench` and `make bench-quick`."""

import sys

from dev.console import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "plugin"))  # the Python client is measured in this process
