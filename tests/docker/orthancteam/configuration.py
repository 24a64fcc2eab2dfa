"""Print Orthanc's configuration and link the enabled plugins, by the rules that orthancteam/orthanc follows at start.

/etc/orthanc/*.json first, a key in two of the files being an error; then the environment, which wins over the files;
then the image's defaults. Only what docker-compose.yml relies on is here.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

AVAILABLE = Path("/usr/share/orthanc/plugins-available")
ENABLED = Path("/run/orthanc/plugins")

DEFAULTS = {
    "StorageDirectory": "/var/lib/orthanc/db",
    "RemoteAccessAllowed": True,
    "AuthenticationEnabled": True,
    "Plugins": [str(ENABLED), "/usr/share/orthanc/plugins"],
}

ENABLING = {
    "DICOM_WEB_PLUGIN_ENABLED": ("libOrthancDicomWeb.so", "DicomWeb"),
    "GDCM_PLUGIN_ENABLED": ("libOrthancGdcm.so", "Gdcm"),
    "OHIF_PLUGIN_ENABLED": ("libOrthancOHIF.so", "Ohif"),
    "POSTGRESQL_PLUGIN_ENABLED": ("libOrthancPostgreSQLIndex.so", "PostgreSQL"),
    "PYTHON_PLUGIN_ENABLED": ("libOrthancPython.so", "PythonScript"),
}
"""Environment variable: the plugin's library, and the key of the configuration that enables it too."""

SPELLED = {"Postgresql": "PostgreSQL"}
"""The image knows the keys of this section by name that docker-compose.cluster.yml sets, and no others."""

Configuration = dict[str, Any]


def merge(into: Configuration, update: Configuration, *, overwrite: bool, path: str = "") -> None:
    """Add `update` to `into`, section by section; exits on a key that is in both, unless `overwrite`."""
    for key, value in update.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value, overwrite=overwrite, path=f"{path}{key}.")
        elif key in into and not overwrite:
            sys.exit(f"ERROR: {path}{key} is set twice in /etc/orthanc")
        else:
            into[key] = value


def from_environment(environment: Mapping[str, str]) -> Iterator[Configuration]:
    """`ORTHANC__FRAME_CACHE__WORKERS=2` is {"FrameCache": {"Workers": 2}}; what is not JSON is a string."""
    for name, text in environment.items():
        if name.startswith("ORTHANC__"):
            words = name.removeprefix("ORTHANC__").split("__")
            keys = ["".join(part.capitalize() for part in word.split("_")) for word in words]
            yield nested([SPELLED.get(key, key) for key in keys], parsed(text))


def nested(keys: list[str], value: object) -> Configuration:
    return {keys[0]: nested(keys[1:], value) if keys[1:] else value}


def parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def configuration(environment: Mapping[str, str], folder: Path) -> Configuration:
    merged: Configuration = {}
    for file in folder.glob("*.json"):
        merge(merged, json.loads(file.read_text()), overwrite=False)
    for update in from_environment(environment):
        merge(merged, update, overwrite=True)
    merged = DEFAULTS | merged
    if merged["RemoteAccessAllowed"] and merged["AuthenticationEnabled"] and not merged.get("RegisteredUsers"):
        sys.exit("ERROR: remote access is allowed, but there is no user: set ORTHANC__REGISTERED_USERS")
    return merged


def link_plugins(environment: Mapping[str, str], merged: Configuration) -> None:
    for variable, (library, key) in ENABLING.items():
        default = "true" if key in merged or key == "Gdcm" else "false"
        if environment.get(variable, default) == "false" or (ENABLED / library).exists():
            continue
        if (AVAILABLE / library).exists():
            os.link(AVAILABLE / library, ENABLED / library)
        else:
            sys.stderr.write(f"WARNING: Debian does not have {library}\n")


if __name__ == "__main__":
    merged_configuration = configuration(os.environ, Path("/etc/orthanc"))
    link_plugins(os.environ, merged_configuration)
    json.dump(merged_configuration, sys.stdout, indent=2)
