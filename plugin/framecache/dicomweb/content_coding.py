"""Which content coding a client accepts (RFC 9110 section 12.5.3)."""

from __future__ import annotations

import re

GZIP = "gzip"
_CODING = re.compile(r"\s*([!#$%&'*+.^_`|~0-9a-z-]+)\s*(?:;\s*q\s*=\s*([0-9.]+)\s*)?")


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether gzip is accepted by name or by the wildcard. Without the header nobody has said so."""
    elements = map(_CODING.fullmatch, (accept_encoding or "").lower().split(","))
    accepted = {found[1]: found[2] for found in elements if found}
    quality = accepted.get(GZIP, accepted.get("x-gzip", accepted.get("*", "0")))
    return quality is None or _is_positive(quality)


def _is_positive(quality: str) -> bool:
    try:
        return float(quality) > 0
    except ValueError:
        return False
