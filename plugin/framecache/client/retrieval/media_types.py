"""Acceptable media types, as dicomweb-client's methods take them, as the text of an Accept header."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from framecache.errors import BadRequest

_OF_FILES = ("application/dicom", "application/*", "*/*")
MediaTypes = Iterable[str | tuple[str, ...]]


def accept_parts(media_types: MediaTypes | None, default: str) -> str:
    """The ranges of a multipart answer; `default` where the caller names none.

    An item is a media type, or one with a transfer syntax: `("image/jp2", "1.2.840.10008.1.2.4.90")`.
    Raises BadRequest.
    """
    if media_types is None:
        return default
    return ", ".join(_part(media_type, syntax) for media_type, syntax in _pairs(media_types))


def accept_files(media_types: MediaTypes | None, default: str) -> str:
    """As `accept_parts`, for whole instances: of any other type there are none, as dicomweb-client says it too."""
    if media_types is None:
        return default
    pairs = list(_pairs(media_types))
    for media_type, _ in pairs:
        if media_type not in _OF_FILES:
            raise BadRequest(f"an instance is application/dicom, not {media_type}")
    return ", ".join(_part("application/dicom", syntax) for _, syntax in pairs)


def accept_single(media_types: MediaTypes | None) -> str | None:
    """The ranges of an answer of one part, a picture's. Raises BadRequest."""
    if media_types is None:
        return None
    return ", ".join(media_type for media_type, _ in _pairs(media_types))


def arguments_of(params: Mapping[str, Any] | None) -> dict[str, str]:
    """Query parameters as text; a list is one value with commas, as viewport and window have them."""
    return {name: _text(value) for name, value in (params or {}).items()}


def _text(value: object) -> str:
    if isinstance(value, str) or not isinstance(value, Iterable):
        return str(value)
    return ",".join(map(str, value))


def _part(media_type: str, syntax: str | None) -> str:
    return f'multipart/related; type="{media_type}"' + (f"; transfer-syntax={syntax}" if syntax else "")


def _pairs(media_types: MediaTypes) -> Iterator[tuple[str, str | None]]:
    if isinstance(media_types, str):
        raise BadRequest("media_types is a sequence of media types")
    is_empty = True
    for item in media_types:
        name, *syntax = (item,) if isinstance(item, str) else item
        if name.count("/") != 1 or '"' in name or len(syntax) > 1:
            raise BadRequest(f"{item} is no media type, nor one with a transfer syntax")
        is_empty = False
        yield (f"{name}*" if name.endswith("/") else name), (str(syntax[0]) if syntax else None)
    if is_empty:
        raise BadRequest("there is no acceptable media type")
