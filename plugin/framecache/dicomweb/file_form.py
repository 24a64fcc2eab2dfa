"""DICOM files as answers: the form that a client asks for (PS3.18 sections 8.7.3.2 and 10.4.1.1)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from framecache.dicom.identity import is_uid
from framecache.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from framecache.dicomweb.negotiation import MediaRange, parse_accept
from framecache.errors import BadRequest, NotAcceptable

DICOM = "application/dicom"  # the stock plugin names no transfer syntax in it
_ANYTHING = (MediaRange("*/*", {}, 1.0),)
_IN_PARTS = ("*/*", "multipart/*", "multipart/related")


@dataclass(frozen=True, slots=True)
class FileForm:
    """What a file is sent as: its transfer syntax, and as a part of multipart/related or alone.

    `is_default` is where the request names no transfer syntax: what cannot be had in this one may be sent as stored.
    """

    transfer_syntax_uid: str
    multipart: bool
    is_default: bool = field(default=False, compare=False)

    def as_stored(self, transfer_syntax_uid: str) -> FileForm:
        """The same of a file that is not transcoded."""
        return replace(self, transfer_syntax_uid=transfer_syntax_uid)


def choose_form(accept: str | None, stored: str, *, several: bool = False) -> FileForm:
    """What to send of a file stored in the transfer syntax `stored`, or of one of `several`, which come in parts only.

    `*` is the stored transfer syntax, none is Explicit VR Little Endian, the default of application/dicom.
    Of ranges with one q-value the one that needs no transcoding wins. Raises BadRequest, NotAcceptable.
    """
    ranges = [r for r in parse_accept(accept or "") or _ANYTHING if r.quality > 0 and _is_dicom(r, several=several)]
    if not ranges:
        raise NotAcceptable("an instance is application/dicom", offers(stored))
    forms = [(r.quality, _form(r, stored)) for r in ranges]
    return max(forms, key=lambda form: (form[0], form[1].transfer_syntax_uid == stored))[1]


def offers(stored: str) -> tuple[str, ...]:
    """What can always be had: the file as it is stored."""
    return tuple(f'multipart/related; type="{DICOM}"; transfer-syntax={syntax}' for syntax in ("*", stored))


def _is_dicom(media_range: MediaRange, *, several: bool) -> bool:
    if media_range.media_type in _IN_PARTS:
        return media_range.parameters.get("type", DICOM).lower() == DICOM
    return not several and media_range.media_type in (DICOM, "application/*")


def _form(media_range: MediaRange, stored: str) -> FileForm:
    asked = media_range.parameters.get("transfer-syntax")
    if asked not in (None, "", "*") and not is_uid(asked):
        raise BadRequest("a transfer-syntax is a UID or *")
    syntax = stored if asked == "*" else asked or EXPLICIT_VR_LITTLE_ENDIAN
    return FileForm(syntax, media_range.media_type in _IN_PARTS, is_default=not asked)
