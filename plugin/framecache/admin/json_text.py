"""JSON that a client sends."""

from __future__ import annotations

import json
import re
from typing import Any

_LONGEST = 1 << 20  # characters
_DEEPEST = 32
# A string that is never closed goes on to the end, so that each character is looked at once.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|([\[{])|([\]}])', re.DOTALL)


def read_json(text: str | bytes) -> Any:
    """The value. Raises ValueError for what is no JSON, is too long, or is nested more deeply than anything here is.

    Python's reader takes C stack for each level, and Orthanc's HTTP threads have 100 kB of it: with Python 3.13 some
    hundred levels end the server.
    """
    decoded = text if isinstance(text, str) else text.decode()
    if len(decoded) > _LONGEST:
        raise ValueError("too long")
    depth = 0
    for token in _TOKEN.finditer(decoded):
        depth += bool(token[1]) - bool(token[2])
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
    return json.loads(decoded)
