"""The form of metadata: DICOM JSON or the Native DICOM Model (PS3.18 section 8.7.3.2)."""

from __future__ import annotations

from typing import Literal

from framecache.dicomweb.negotiation import MediaRange, parse_accept
from framecache.errors import BadRequest, NotAcceptable

Form = Literal["json", "xml"]
JSON, XML = "application/dicom+json", "application/dicom+xml"
OFFERS = (JSON, f'multipart/related; type="{XML}"')
_JSON_RANGES = (JSON, "application/json", "application/*", "*/*")
_MULTIPART = ("multipart/related", "multipart/*")


def choose_form(argument: str | None, header: str | None) -> Form:
    """By the parameter of the query if that names a form that there is, else by the header; JSON is the default.

    An unknown value of the parameter is passed over, as by the stock plugin. Raises BadRequest, NotAcceptable.
    """
    try:
        chosen = _choose(argument)
    except BadRequest:
        chosen = None
    chosen = chosen or (_choose(header) if header and header.strip() else "json")
    if chosen is None:
        raise NotAcceptable("metadata is DICOM JSON, or XML in multipart/related", OFFERS)
    return chosen


def _choose(accept: str | None) -> Form | None:
    """The form of the range with the highest q-value; of equal ones that of the first."""
    ranges = [(one.quality, form) for one in parse_accept(accept or "") if one.quality > 0 and (form := _form(one))]
    return max(ranges, key=lambda pair: pair[0])[1] if ranges else None


def _form(media_range: MediaRange) -> Form | None:
    if media_range.media_type in _JSON_RANGES:
        return "json"
    inner = media_range.parameters.get("type", XML).lower()
    return "xml" if media_range.media_type in _MULTIPART and inner in (XML, "*/*", "application/*") else None
