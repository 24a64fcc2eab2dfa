"""An Orthanc's folders as packages leave them, without an Orthanc."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.console import CHECKOUT

PYTHON, DICOM_WEB, GDCM = "libOrthancPython.so", "libOrthancDicomWeb.so", "libOrthancGdcm.so"


@dataclass(frozen=True)
class Site:
    """A folder with libraries, a script, storage and a configuration that serves."""

    root: Path

    @classmethod
    def make(cls, root: Path, version: str = "3.13") -> Site:
        site = cls(root)
        for folder in (site.plugins, site.configuration, root / "db"):
            folder.mkdir()
        for name in (PYTHON, DICOM_WEB, GDCM):
            (site.plugins / name).write_bytes(b"\x7fELF\0libpython%s.so.1.0\0" % version.encode())
        site.write_script(CHECKOUT / "plugin")
        site.write({**site.value(), "FrameCache": {"MaximumSizeMB": 16, "MinimumFreeDiskMB": 0}})
        return site

    @property
    def plugins(self) -> Path:
        return self.root / "plugins"

    @property
    def configuration(self) -> Path:
        return self.root / "etc"

    @property
    def script(self) -> Path:
        return self.root / "script.py"

    def write_script(self, *packages: Path) -> None:
        """Ours, which finds packages in these folders."""
        added = "".join(f"sys.path.insert(0, {str(folder)!r})\n" for folder in packages)
        self.script.write_text(f"import sys\n{added}from framecache import install\n")

    def value(self) -> dict[str, Any]:
        """What is needed but for the settings."""
        return {
            "StorageDirectory": str(self.root / "db"),
            "Plugins": [str(self.plugins / name) for name in (PYTHON, DICOM_WEB)],
            "PythonScript": str(self.script),
            "Python": {"AllowThreads": True},
            "KeepAliveTimeout": 60,
            "DicomWeb": {"EnableMetadataCache": False},
        }

    def write(self, value: dict[str, Any]) -> None:
        (self.configuration / "orthanc.json").write_text(json.dumps(value, indent=2))

    def set(self, **settings: Any) -> None:
        """Change settings of the section."""
        value = json.loads((self.configuration / "orthanc.json").read_text())
        self.change(FrameCache=value["FrameCache"] | settings)

    def change(self, **values: Any) -> None:
        """Change the configuration; a None takes the key away."""
        value = json.loads((self.configuration / "orthanc.json").read_text()) | values
        self.write({key: one for key, one in value.items() if one is not None})
