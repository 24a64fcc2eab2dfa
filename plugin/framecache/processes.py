"""What the plugin's own processes need, which are started as `python3 -m framecache. …`."""

from __future__ import annotations

import os
from pathlib import Path

_PLUGIN_FOLDER = Path(__file__).resolve().parents[1]


def environment() -> dict[str, str]:
    """Orthanc's own, in which `python3` finds its modules, and the plugin's folder."""
    path = os.pathsep.join(filter(None, [str(_PLUGIN_FOLDER), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}
