"""Acceptable media types, as dicomweb-client's methods take them, as the text of an Accept header."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MediaTypes = Iterable[str | tuple[str, ...]]


def accept_parts(media_types: MediaTypes | None, default: str) -> str:
    """The ranges of a multipart answer; `default` where the caller names none.

    An item is a media type, or one with a transfer syntax: `("image/jp2", "1.2.840.10008.1.2.4.90")`.
    """
    if media_types is None:
        return default
    return ", ".join(_part(media_type, syntax) for media_type, syntax in _pairs(media_types))


def accept_files(media_types: MediaTypes | None, default: str) -> str:
    """As `accept_parts`, for whole instances, which are application/dicom, whatever range of it is asked for."""
    if media_types is None:
        return default
    return ", ".join(_part("application/dicom", syntax) for _, syntax in _pairs(media_types))


def accept_single(media_types: MediaTypes | None) -> str | None:
    """The ranges of an answer of one part, a picture's."""
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
    """Media types that framecache.client.arguments has checked; `image/` is dicomweb-client's for `image/*`."""
    for item in media_types:
        name, *syntax = (item,) if isinstance(item, str) else item
        yield (f"{name}*" if name.endswith("/") else name), (syntax[0] if syntax else None)
