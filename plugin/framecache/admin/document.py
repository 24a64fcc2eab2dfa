"""GET /frame-cache/openapi.json: all routes below /frame-cache/, as OpenAPI 3.1 has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from framecache.admin.answers import Answer


class Document:
    """The area of the description of all areas. A test compares it with the routes that are registered."""

    def __init__(self) -> None:
        text = files("framecache.admin").joinpath("openapi.json").read_text(encoding="utf-8")
        self._document: dict[str, Any] = json.loads(text)
        self.told: Mapping[str, Answer] = {"openapi[.]json": self.document}
        self.done: Mapping[str, Answer] = {}

    def document(self) -> dict[str, Any]:
        """GET /frame-cache/openapi.json."""
        return self._document
