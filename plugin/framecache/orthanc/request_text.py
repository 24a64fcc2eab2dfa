"""Requests with bytes that are no UTF-8, which Orthanc's Python plugin answers 500 before it calls a route.

It makes a str of each header, argument and part of the path (PyUnicode_FromString, which is strict), although a
recipient is to take such bytes as they come (RFC 9110 section 5.5): gateways for single sign-on send names in latin-1.
All that Python lets one change is what its strict decoding does with an error.
"""

from __future__ import annotations

import codecs
import inspect

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def take_any_bytes() -> None:
    """From now on such a byte reaches a route as U+FFFD; whatever Python code decodes stays strict."""
    codecs.register_error("strict", _replace_for_the_host)


def _replace_for_the_host(error: Exception) -> tuple[str, int]:
    """Python calls this for each error of a strict decoding: only the host's has no Python function above it."""
    here = inspect.currentframe()
    if isinstance(error, UnicodeDecodeError) and here is not None and here.f_back is None:
        return _REPLACEMENT, error.end
    raise error
