"""Which representation a client accepts (PS3.18 sections 8.3.3.1, 8.7.3 and 8.7.8; RFC 9110 section 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from framecache.dicom.transfer_syntax import (
    OCTET_STREAM,
    Representation,
    canonical_media_type,
    default_transfer_syntax,
)
from framecache.errors import BadRequest, NotAcceptable

_MULTIPART = "multipart/related"
_WILDCARDS = ("*/*", "multipart/*")
_LONGEST_ACCEPT = 8192
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# Empty list elements are ignored (RFC 9110 section 5.6.1.2); Java's own default has a bare asterisk.
_RANGE = re.compile(rf"[\s,]*({_WORD}/{_WORD}|\*)\s*")
# Values of `type` are often sent unquoted although they contain a slash (Cornerstone3D does).
_PARAMETER = re.compile(rf';\s*(?:({_WORD})\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*)?')
_QUALITY = re.compile(r"0?\.[0-9]{1,3}|0\.?|1(\.0{0,3})?")  # Java's own default is ".2"


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One element of an Accept header; parameter names are lower case."""

    media_type: str
    parameters: Mapping[str, str]
    quality: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The representation to send, in a multipart/related body or as a single part."""

    representation: Representation
    multipart: bool


def parse_accept(text: str) -> tuple[MediaRange, ...]:
    """Parse the ranges of an Accept header or `accept` parameter, in order. Raises BadRequest."""
    if len(text) > _LONGEST_ACCEPT:
        raise BadRequest("the Accept header is too long")
    return tuple(_ranges(text.rstrip(", \t")))


def _ranges(text: str) -> Iterator[MediaRange]:
    position = 0
    while position < len(text):
        found = _RANGE.match(text, position)
        if found is None:
            raise BadRequest("the Accept header is malformed")
        parameters, position = _parameters(text, found.end())
        media_type = "*/*" if found[1] == "*" else found[1].lower()
        yield MediaRange(media_type, parameters, _quality(parameters.pop("q", "1")))
        if position < len(text) and text[position] != ",":
            raise BadRequest("the Accept header is malformed")


def _parameters(text: str, position: int) -> tuple[dict[str, str], int]:
    parameters: dict[str, str] = {}
    while found := _PARAMETER.match(text, position):
        position = found.end()
        if found[1]:
            parameters.setdefault(found[1].lower(), _unquote(found[2]))
    return parameters, position


def _unquote(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _quality(text: str) -> float:
    if not _QUALITY.fullmatch(text):
        raise BadRequest("a q-value lies between 0 and 1")
    return float(text)


def choose(
    accept: str | None,
    available: Sequence[Representation],
    *,
    several: bool = False,
    wildcard_is_stored: bool = False,
) -> Choice:
    """The representation to send, out of `available` (the most expensive last).

    Ranges are tried by q-value; those of one q-value share the order of `available`. With `several` frames, ranges
    of a single part are passed over. A wildcard is the default of PS3.18 section 8.7.8, or the first of what is
    available where `wildcard_is_stored`. Raises NotAcceptable, BadRequest.
    """
    parsed = parse_accept(accept) if accept and accept.strip() else (_ANYTHING,)
    if wildcard_is_stored:
        parsed = tuple(map(_of_any_transfer_syntax, parsed))
    ranges = [r for r in parsed if r.quality > 0]
    # A type named with q=0 is refused even if a wildcard accepts it (RFC 9110 section 12.5.1).
    refused = [r for r in parsed if r.quality == 0 and "*" not in r.media_type]
    allowed = [form for form in available if all(_accepts(r, form) is None for r in refused)]
    for quality in sorted({r.quality for r in ranges}, reverse=True):
        equals = [r for r in ranges if r.quality == quality]
        for representation in allowed:
            for media_range in equals:
                multipart = _accepts(media_range, representation)
                if multipart or (multipart is False and not several):
                    return Choice(representation, multipart)
    message = "none of the acceptable media types is available"
    if several and any(_accepts(r, representation) is False for r in ranges for representation in available):
        message = "several frames do not fit into a single part"
    offered = tuple(f'{_MULTIPART}; type="{r.media_type}"; transfer-syntax={r.transfer_syntax_uid}' for r in available)
    raise NotAcceptable(message, offered)


def asks_as_stored(accept: str | None) -> bool:
    """Whether every range accepts the stored transfer syntax: then the stock plugin decodes nothing.

    Raises BadRequest.
    """
    ranges = parse_accept(accept or "")
    return bool(ranges) and all(
        media_range.parameters.get("transfer-syntax") == "*" and _names_octets(media_range) for media_range in ranges
    )


def _names_octets(media_range: MediaRange) -> bool:
    inner = media_range.parameters.get("type", OCTET_STREAM).lower()
    return media_range.media_type == _MULTIPART and inner == OCTET_STREAM


_ANYTHING = MediaRange("*/*", {}, 1.0)


def _of_any_transfer_syntax(media_range: MediaRange) -> MediaRange:
    """Let a wildcard without a transfer syntax accept any of them."""
    if media_range.media_type not in _WILDCARDS:
        return media_range
    return replace(media_range, parameters={"transfer-syntax": "*", **media_range.parameters})


def _accepts(media_range: MediaRange, representation: Representation) -> bool | None:
    """True: as multipart; False: as single part; None: not at all."""
    if media_range.media_type in _WILDCARDS:
        # A wildcard falls back to the default media type and transfer syntax (PS3.18 section 8.7.8).
        return _matches(OCTET_STREAM, media_range, representation) or None
    if media_range.media_type == _MULTIPART:
        inner = canonical_media_type(media_range.parameters.get("type", OCTET_STREAM).split(";")[0].strip())
        return _matches(inner, media_range, representation) or None
    return False if _matches(canonical_media_type(media_range.media_type), media_range, representation) else None


def _matches(media_type: str, media_range: MediaRange, representation: Representation) -> bool:
    asked = media_range.parameters.get("transfer-syntax") or _inner_transfer_syntax(media_range)
    if media_type in ("*/*", "application/*"):
        media_type = OCTET_STREAM
    if media_type == "image/*":
        return representation.media_type != OCTET_STREAM and asked in (None, "*", representation.transfer_syntax_uid)
    # The stock plugin accepts application/octet-stream for any transfer syntax, and viewers rely on it.
    if media_type not in (OCTET_STREAM, representation.media_type):
        return False
    return asked == "*" or (asked or default_transfer_syntax(media_type)) == representation.transfer_syntax_uid


def _inner_transfer_syntax(media_range: MediaRange) -> str | None:
    """The transfer syntax within the quoted type, where the stock plugin writes it in its answers."""
    _, found, value = media_range.parameters.get("type", "").partition("transfer-syntax=")
    return value.split(";")[0].strip() if found else None
