"""Transfer syntaxes and the media types of their frames, in one table (PS3.18 section 8.7.3, PS3.5 annex A)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"
OCTET_STREAM = "application/octet-stream"


class Encoding(Enum):
    """The encoding of pixels in a transfer syntax."""

    NATIVE = "native"
    ENCAPSULATED = "encapsulated"
    VIDEO = "video"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """One row: the UID, the encoding of pixels, and the media type of a frame."""

    uid: str
    encoding: Encoding
    media_type: str


def _rows(encoding: Encoding, media_type: str, *uids: str) -> dict[str, TransferSyntax]:
    return {uid: TransferSyntax(uid, encoding, media_type) for uid in uids}


def _under(prefix: str, *numbers: int) -> tuple[str, ...]:
    return tuple(f"{prefix}.{number}" for number in numbers)


def _fragmentable(prefix: str, *numbers: int) -> tuple[str, ...]:
    """Videos in one fragment, and those that may have several."""
    return _under(prefix, *numbers) + tuple(f"{uid}.1" for uid in _under(prefix, *numbers))


_COMPRESSED = "1.2.840.10008.1.2.4"
_TABLE = MappingProxyType(
    _rows(Encoding.NATIVE, OCTET_STREAM, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN)
    | _rows(Encoding.NATIVE, OCTET_STREAM, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)
    | _rows(Encoding.ENCAPSULATED, "image/dicom-rle", "1.2.840.10008.1.2.5")
    | _rows(Encoding.ENCAPSULATED, "image/jpeg", *_under(_COMPRESSED, 50, 51, 57, 70))
    # Retired in 1998 (PS3.6 annex A), still in archives; PS3.18 gives them no media type of their own.
    | _rows(Encoding.ENCAPSULATED, "image/jpeg", *_under(_COMPRESSED, 52, 53, 54, 55, 56, *range(58, 67)))
    | _rows(Encoding.ENCAPSULATED, "image/jls", *_under(_COMPRESSED, 80, 81))
    | _rows(Encoding.ENCAPSULATED, "image/jp2", *_under(_COMPRESSED, 90, 91))
    | _rows(Encoding.ENCAPSULATED, "image/jpx", *_under(_COMPRESSED, 92, 93))
    | _rows(Encoding.ENCAPSULATED, "image/jxl", *_under(_COMPRESSED, 110, 111, 112))
    | _rows(Encoding.ENCAPSULATED, "image/jphc", *_under(_COMPRESSED, 201, 202, 203))
    | _rows(Encoding.VIDEO, "video/mpeg", *_fragmentable(_COMPRESSED, 100, 101))
    | _rows(Encoding.VIDEO, "video/mp4", *_fragmentable(_COMPRESSED, 102, 103, 104, 105, 106))
    | _rows(Encoding.VIDEO, "video/H265", *_under(_COMPRESSED, 107, 108))
)
# The transfer syntax that a media type means when none is named (PS3.18 table 8.7.3-2 and -5).
_DEFAULTS = MappingProxyType(
    {
        OCTET_STREAM: EXPLICIT_VR_LITTLE_ENDIAN,
        "image/jpeg": f"{_COMPRESSED}.70",
        "image/dicom-rle": "1.2.840.10008.1.2.5",
        "image/jls": f"{_COMPRESSED}.80",
        "image/jp2": f"{_COMPRESSED}.90",
        "image/jpx": f"{_COMPRESSED}.92",
        "image/jphc": f"{_COMPRESSED}.201",
        "image/jxl": f"{_COMPRESSED}.110",
    }
)
# Names that older editions of the standard and older clients use (PS3.18 2014a table 6.5-1).
_OLDER_NAMES = MappingProxyType(
    {
        "image/dicom+jpeg": "image/jpeg",
        "image/dicom+rle": "image/dicom-rle",
        "image/x-dicom-rle": "image/dicom-rle",
        "image/dicom+jpeg-ls": "image/jls",
        "image/x-jls": "image/jls",
        "image/dicom+jp2": "image/jp2",
        "image/dicom+jpx": "image/jpx",
    }
)


def lookup(uid: str) -> TransferSyntax:
    """The row of `uid`; Encoding.UNKNOWN if the table does not have it."""
    return _TABLE.get(uid) or TransferSyntax(uid, Encoding.UNKNOWN, OCTET_STREAM)


def canonical_media_type(name: str) -> str:
    """Today's name of a media type that may have been given an older one."""
    name = name.lower()
    return _OLDER_NAMES.get(name, name)


def default_transfer_syntax(media_type: str) -> str | None:
    """The transfer syntax of `media_type` without a parameter; None if it is not a media type of frames."""
    return _DEFAULTS.get(media_type)


@dataclass(frozen=True, slots=True)
class Representation:
    """One form of a frame: the transfer syntax that its bytes are in."""

    transfer_syntax_uid: str

    @property
    def media_type(self) -> str:
        """The media type without parameters."""
        return lookup(self.transfer_syntax_uid).media_type

    @property
    def content_type(self) -> str:
        """The media type with its transfer syntax, as the stock DICOMweb plugin writes it."""
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax_uid}"


EXPLICIT, IMPLICIT = Representation(EXPLICIT_VR_LITTLE_ENDIAN), Representation(IMPLICIT_VR_LITTLE_ENDIAN)


def stored_representation(transfer_syntax_uid: str) -> Representation | None:
    """What the bytes of a frame are, as they are read from the file, in terms that may go over the wire.

    The pixels of Implicit VR Little Endian and of an inflated data set are Explicit VR Little Endian ones, and those of
    Big Endian become so when they are read; both "shall not be used with Web Services" (PS3.18 section 8.7.3.1).
    None: there are no frames.
    """
    syntax = lookup(transfer_syntax_uid)
    if syntax.encoding is Encoding.NATIVE:
        return EXPLICIT
    return Representation(transfer_syntax_uid) if syntax.encoding is Encoding.ENCAPSULATED else None


def is_sent_as_it_lies(transfer_syntax_uid: str) -> bool:
    """Whether the bytes of a frame are in the file as they are sent: not inflated or turned round before."""
    is_turned = transfer_syntax_uid in (DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)
    return not is_turned and stored_representation(transfer_syntax_uid) is not None
