"""Requests with bytes that are not UTF-8, which Orthanc's Python plugin answers with 500 before it calls a route.

The plugin decodes each header, argument and part of the path strictly (PyUnicode_FromString), although a recipient
should accept such bytes as opaque data (RFC 9110 section 5.5): gateways for single sign-on send names in latin-1.
Python only lets us change how its strict decoding handles an error.
"""

from __future__ import annotations

import codecs
import inspect

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def take_any_bytes() -> None:
    """From now on such a byte reaches a route as U+FFFD; decoding by Python code stays strict."""
    codecs.register_error("strict", _replace_for_the_host)


def _replace_for_the_host(error: Exception) -> tuple[str, int]:
    """Handles each error of strict decoding. Only decoding by the host has no Python function above it."""
    here = inspect.currentframe()
    if isinstance(error, UnicodeDecodeError) and here is not None and here.f_back is None:
        return _REPLACEMENT, error.end
    raise error
