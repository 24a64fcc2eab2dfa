"""The arguments of a request's query, which some builds of Orthanc decode and others do not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_plus, urlencode

_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
# What a client may have sent as it is (RFC 3986 section 3.4), escapes included. All else is escaped: where Orthanc did
# decode, a line break would begin a header of the client's choice.
_AS_SENT = "%!$'()*+,;=:@/?"
# The same of values that may have been decoded: what would part them, or be decoded once more, is escaped.
_UNAMBIGUOUS = "!$'()*,;@/?"


def decoded(arguments: Mapping[str, str]) -> Mapping[str, str]:
    """The arguments as the client meant them."""
    if not _is_escaped(arguments):
        return arguments
    return {unquote_plus(name): unquote_plus(value) for name, value in arguments.items()}


def encoded(arguments: Mapping[str, str]) -> str:
    """The query to send the client elsewhere with, without its question mark."""
    if _is_escaped(arguments):
        return "&".join(f"{quote(name, _AS_SENT)}={quote(value, _AS_SENT)}" for name, value in arguments.items())
    # The stock plugin on a build that does not decode reads its commas as they are sent.
    return urlencode(arguments, quote_via=quote, safe=_UNAMBIGUOUS)


def _is_escaped(arguments: Mapping[str, str]) -> bool:
    """Whether they are as the client sent them: it depends on the build of Orthanc's HTTP server, and nothing tells."""
    return any(_ESCAPE.search(f"{name}={value}") for name, value in arguments.items())
