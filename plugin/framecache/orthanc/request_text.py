"""Requests with bytes that are not UTF-8, which Orthanc's Python plugin answers with 500 before it calls a route.

The plugin decodes each header, argument and part of the path strictly (PyUnicode_FromString), although a recipient
should accept such bytes as opaque data (RFC 9110 section 5.5): gateways for single sign-on send names in latin-1.

The plugin has no setting for this and calls nothing of Python before it decodes. What it calls is the handler that
Python looks up under "strict", which is one for the whole process: there is no smaller tool inside Orthanc (outside, a
proxy may drop such headers). What the handler changes is therefore as small as can be:

- Only UTF-8. Other codecs and all encoding stay strict.
- Only decoding with no Python function above it. A site's own script, a library and the interpreter's own modules run
  below a function or a module's code, on every thread. Only native code that decodes on a thread of its own before it
  calls Python has none; in Orthanc that is the Python plugin.
- No new text: what a route gets, it could always be sent, as the bytes of U+FFFD are valid UTF-8. Orthanc checks a
  password on the bytes themselves, before.
- Nothing while bytes are valid: Python asks a handler only then.
"""

from __future__ import annotations

import codecs
import inspect

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def take_any_bytes() -> None:
    """From now on such a byte reaches a route as U+FFFD; decoding by Python code stays strict."""
    codecs.register_error("strict", _replace_for_the_host)


def _replace_for_the_host(error: Exception) -> tuple[str, int]:
    """Handles each error of strict coding in this process."""
    if isinstance(error, UnicodeDecodeError) and error.encoding == "utf-8" and _is_called_by_the_host():
        return _REPLACEMENT, error.end
    raise error


def _is_called_by_the_host() -> bool:
    """Whether no Python function is above the handler."""
    here = inspect.currentframe()
    handler = here and here.f_back
    return handler is not None and handler.f_back is None
