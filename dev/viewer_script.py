"""A PythonScript for development: the frame cache, and OHIF below /ohif/ of the same Orthanc.

ServeFolders cannot do it: addresses such as /ohif/viewer?StudyInstanceUIDs=… belong to the page, not to a file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orthanc

CHECKOUT = Path(__file__).resolve().parent.parent
# Orthanc has put only this script's own folder there.
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "plugin")]

from framecache import install  # noqa: E402
from framecache.orthanc.api import for_good  # noqa: E402

from dev.ohif import FOLDER, ROOT  # noqa: E402

CONTENT_TYPES = {
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
}
START_PAGE, CONFIGURATION = "index.html", "app-config.js"


class ViewerRoute:
    """GET of a file of the viewer; each other path is one of its pages, which all start from index.html.

    `settings` are for OHIF's data source, beside those in dev/ohif-config.js.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        changed = f"Object.assign(window.config.dataSources[0].configuration, {json.dumps(settings)});"
        self._appended = {CONFIGURATION: changed.encode()} if settings else {}
        # What is not in this list cannot be asked for, whatever the path.
        self._files = {str(path.relative_to(folder)): path for path in folder.rglob("[!.]*") if path.is_file()}

    def __call__(self, output: orthanc.RestOutput, _uri: str, **request: Any) -> None:
        """Orthanc's callback."""
        if request["method"] != "GET":
            output.SendMethodNotAllowed("GET")
            return
        path = self._files.get(request["groups"][0].removeprefix("/"), self._files[START_PAGE])
        entity_tag = f'"{path.name}-{path.stat().st_mtime_ns:x}"'
        output.SetHttpHeader("ETag", entity_tag)
        output.SetHttpHeader("Cache-Control", "no-cache")
        if entity_tag in _known(request["headers"]):
            output.SendHttpStatus(304, b"")
        else:
            content = path.read_bytes() + self._appended.get(path.name, b"")
            output.AnswerBuffer(content, CONTENT_TYPES.get(path.suffix, "application/octet-stream"))


def _known(headers: Mapping[str, str]) -> list[str]:
    return headers.get("if-none-match", "").split(", ")


SETTINGS = json.loads(orthanc.GetConfiguration()).get("Viewer", {})

install(orthanc)
# Orthanc takes the slash off an address that ends with one.
orthanc.RegisterRestCallback(f"{ROOT.rstrip('/')}(|/.*)", for_good(ViewerRoute(FOLDER, SETTINGS)))
