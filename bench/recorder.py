"""What a server answers to OHIF, as files that nginx sends for the same requests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, Request

from bench import client
from bench.load import ACCEPT
from dev.ohif import FOLDER, ROOT

_KINDS = {"application/dicom+json": "json", "application/json": "json", "image/jpeg": "jpg"}
_OTHERS = "multipart"
# A browser asks whether it is still true, as with the plugin.
SERVER = """
    map_hash_bucket_size 1024;
    map_hash_max_size 8192;
    map $request_uri $recorded {{
        {recorded}
    }}
    server {{
        listen 127.0.0.1:{port};
        root {folder};
        add_header Cache-Control "private, no-cache";
        types {{
            application/dicom+json json;
            multipart/related multipart;
            image/jpeg jpg;
        }}
        location / {{
            try_files $recorded =404;
        }}
        location {viewer_root} {{
            root {viewer};
            try_files $uri {viewer_root}index.html;
            types {{
                text/html html;
                text/css css;
                text/javascript js;
                application/json json;
                application/wasm wasm;
                font/woff2 woff2;
                image/png png;
            }}
        }}
    }}
"""


class Recorder:
    """Notes what `page` asks `url` for, from now on."""

    def __init__(self, page: Page, url: str) -> None:
        self._url, self._asked = url, dict[str, str]()
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        place = urlsplit(request.url)
        if request.method == "GET" and place.path.startswith("/dicom-web/"):
            path = f"{place.path}?{place.query}" if place.query else place.path
            self._asked[path] = request.headers.get("accept", "*/*")

    def write(self, folder: Path, frames: Sequence[str], port: int) -> str:
        """The answers into `folder`, those of `frames` too, which OHIF may ask for; nginx's configuration for them."""
        folder.mkdir(parents=True)
        asked, names = {**dict.fromkeys(frames, ACCEPT), **self._asked}, dict[str, str]()
        here = f"http://127.0.0.1:{port}"
        for number, (path, accept) in enumerate(asked.items()):
            answer = client.get(self._url, path, accept)
            kind = _KINDS.get(answer.content_type.partition(";")[0], _OTHERS)
            names[path] = f"/{number}.{kind}"
            body = answer.body.replace(self._url.encode(), here.encode()) if kind == "json" else answer.body
            (folder / f"{number}.{kind}").write_bytes(body)
        recorded = "\n        ".join(f'"{path}" {name};' for path, name in names.items())
        return SERVER.format(port=port, folder=folder, recorded=recorded, viewer_root=ROOT, viewer=FOLDER.parent)
