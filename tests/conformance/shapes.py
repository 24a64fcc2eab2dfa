"""Every shape of Accept that clients send, and what has to come of it: the columns of the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from framecache.dicom.transfer_syntax import Encoding

from tests.conformance.stored import COMPRESSED, EXPLICIT, IMPLICIT, RLE, Stored

STORED_FORM = "as stored"
JPEG, JPEG_LS, JPEG_2000 = f"{COMPRESSED}.70", f"{COMPRESSED}.80", f"{COMPRESSED}.90"
HTJ2K, JPEG_XL = f"{COMPRESSED}.201", f"{COMPRESSED}.110"
BASELINE, EXTENDED = f"{COMPRESSED}.50", f"{COMPRESSED}.51"


@dataclass(frozen=True)
class Outcome:
    """What is answered: a status and, with 200, the transfer syntax and whether the body is multipart/related."""

    status: int
    transfer_syntax_uid: str = ""
    multipart: bool = False


def parts(transfer_syntax_uid: str) -> Outcome:
    return Outcome(200, transfer_syntax_uid, multipart=True)


def single(transfer_syntax_uid: str) -> Outcome:
    return Outcome(200, transfer_syntax_uid)


NOT_ACCEPTABLE, MALFORMED = Outcome(406), Outcome(400)


@dataclass(frozen=True)
class Shape:
    """An Accept header, an `accept` parameter of the query, or both; what native and compressed frames come as.

    `own` has what frames stored in that transfer syntax come as, where it is something else; `several`, what several
    frames come as where one comes as a single part, and `otherwise` what pixels come as that have no room in the form
    that the others come as. Both are 406 if they are None.
    """

    name: str
    accept: str | None
    native: Outcome
    compressed: Outcome
    own: Mapping[str, Outcome] = field(default_factory=dict)
    parameter: str | None = None
    several: Outcome | None = None
    otherwise: Outcome | None = None

    def outcome(self, stored: Stored) -> Outcome:
        """With STORED_FORM replaced by the transfer syntax that is meant."""
        is_native = stored.encoding is Encoding.NATIVE
        found = self.own.get(stored.transfer_syntax_uid, self.native if is_native else self.compressed)
        if found.transfer_syntax_uid != STORED_FORM:
            return found
        return Outcome(200, EXPLICIT if is_native else stored.transfer_syntax_uid, found.multipart)


_OCTETS = "application/octet-stream"
_EXPLICIT, _STORED = parts(EXPLICIT), parts(STORED_FORM)


def related(media_type: str, transfer_syntax: str = "") -> str:
    """A multipart/related range as dicomweb-client writes it."""
    return f'multipart/related; type="{media_type}"' + (
        f"; transfer-syntax={transfer_syntax}" if transfer_syntax else ""
    )


def _general() -> Iterator[Shape]:
    for name, accept in {
        "no header": None,
        "an empty header": "",
        "any": "*/*",
        "any multipart": "multipart/*",
        "multipart without type": "multipart/related",
        "unquoted type": f"multipart/related; type={_OCTETS}",
        "quoted type": related(_OCTETS),
        "no space, capitals": f'Multipart/Related;Type="{_OCTETS.upper()}"',
        "Explicit VR Little Endian": related(_OCTETS, EXPLICIT),
        "as the stock plugin writes it": related(f"{_OCTETS}; transfer-syntax={EXPLICIT}"),
        "any application": related("application/*"),
        "a browser": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    }.items():
        yield Shape(name, accept, _EXPLICIT, _EXPLICIT)
    for name, accept in {
        "OHIF": f"multipart/related; type={_OCTETS}; transfer-syntax=*",
        "OHIF, quoted": related(_OCTETS, "*"),
        "any transfer syntax": "*/*; transfer-syntax=*",
        "multipart of any transfer syntax": "multipart/related; transfer-syntax=*",
    }.items():
        yield Shape(name, accept, _STORED, _STORED)
    yield Shape("single part", _OCTETS, single(EXPLICIT), single(EXPLICIT))
    yield Shape("single part of any application type", "application/*", single(EXPLICIT), single(EXPLICIT))
    yield Shape("single part as stored", f"{_OCTETS}; transfer-syntax=*", single(STORED_FORM), single(STORED_FORM))
    yield Shape("any image", related("image/*"), parts(HTJ2K), _STORED)
    yield Shape("single part, any image", "image/*", single(HTJ2K), single(STORED_FORM))


def _named(name: str, uid: str, *, made: bool = True) -> Iterator[Shape]:
    """A media type whose default transfer syntax is `uid`; whether it is `made` of others."""
    multipart, lone = (parts(uid), single(uid)) if made else (NOT_ACCEPTABLE, NOT_ACCEPTABLE)
    yield Shape(name, related(name), multipart, multipart, {uid: _STORED})
    yield Shape(f"single part, {name}", name, lone, lone, {uid: single(uid)})


def _by_name() -> Iterator[Shape]:
    yield from _named("image/jphc", HTJ2K)
    yield from _named("image/jp2", JPEG_2000)
    yield from _named("image/jls", JPEG_LS)
    yield from _named("image/dicom-rle", RLE)
    yield from _named("image/jpeg", JPEG)
    yield from _named("image/jpx", f"{COMPRESSED}.92")
    yield from _named("image/jxl", JPEG_XL, made=False)
    yield from _named("image/dicom+jpeg", JPEG)
    yield from _named("image/dicom+rle", RLE)
    yield from _named("image/x-dicom-rle", RLE)
    yield from _named("image/dicom+jpeg-ls", JPEG_LS)
    yield from _named("image/x-jls", JPEG_LS)
    yield from _named("image/dicom+jp2", JPEG_2000)
    yield from _named("image/dicom+jpx", f"{COMPRESSED}.92")
    jpegs = {f"{COMPRESSED}.{number}": _STORED for number in (50, 51, 57, 70)}
    yield Shape("image/jpeg of any transfer syntax", related("image/jpeg", "*"), parts(JPEG), parts(JPEG), jpegs)
    jpeg_xl = {f"{COMPRESSED}.{number}": _STORED for number in (110, 111, 112)}
    yield Shape("image/jxl of any transfer syntax", related("image/jxl", "*"), NOT_ACCEPTABLE, NOT_ACCEPTABLE, jpeg_xl)


def _by_transfer_syntax() -> Iterator[Shape]:
    for media_type, uid in (
        ("image/jpeg", BASELINE),
        ("image/jls", f"{COMPRESSED}.81"),
        ("image/jphc", f"{COMPRESSED}.203"),
        (_OCTETS, f"{COMPRESSED}.51"),
    ):
        yield Shape(f"{media_type} of {uid}", related(media_type, uid), parts(uid), parts(uid), {uid: _STORED})
    yield Shape(f"octets of {HTJ2K}", related(_OCTETS, HTJ2K), parts(HTJ2K), parts(HTJ2K), {HTJ2K: _STORED})
    yield Shape("octets of Implicit VR", related(_OCTETS, IMPLICIT), parts(IMPLICIT), parts(IMPLICIT))
    yield Shape("octets of an unknown UID", related(_OCTETS, "1.2.3"), NOT_ACCEPTABLE, NOT_ACCEPTABLE)
    yield Shape("image/jp2 of a UID that is not its", related("image/jp2", JPEG_LS), NOT_ACCEPTABLE, NOT_ACCEPTABLE)


def _several() -> Iterator[Shape]:
    equal = f"{related('image/jp2')}, {related(_OCTETS)}"
    yield Shape("two ranges", equal, _EXPLICIT, _EXPLICIT, {JPEG_2000: _STORED})
    ordered = f"{related('image/jp2')}; q=1.0, {related(_OCTETS)}; q=0.5"
    yield Shape(
        "image/jp2, else octets",
        ordered,
        parts(JPEG_2000),
        parts(JPEG_2000),
        {JPEG_2000: _STORED},
        otherwise=_EXPLICIT,
    )
    reverse = f"{related('image/jp2')};q=0.1,{related(_OCTETS)};q=0.9"
    yield Shape("octets, else image/jp2", reverse, _EXPLICIT, _EXPLICIT)
    all_of_them = ", ".join(related(name) for name in ("image/jpeg", "image/jls", "image/jp2", "image/dicom-rle"))
    owns = dict.fromkeys((JPEG, JPEG_LS, JPEG_2000, RLE), _STORED)
    yield Shape("dicomweb-client, compressed", all_of_them, parts(JPEG_LS), parts(JPEG_LS), owns, otherwise=parts(RLE))
    mixed = f"{_OCTETS}; q=0.2, {related(_OCTETS, '*')}; q=0.9"
    yield Shape("as stored, else a single part", mixed, _STORED, _STORED)
    java = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
    yield Shape("Java", java, single(JPEG), single(JPEG), several=_EXPLICIT, otherwise=_EXPLICIT)
    either = f"{_OCTETS}, {related(_OCTETS)}"
    yield Shape("single part or multipart", either, single(EXPLICIT), single(EXPLICIT), {}, None, _EXPLICIT)
    yield Shape("empty elements", f", ,{related(_OCTETS)},", _EXPLICIT, _EXPLICIT)
    yield Shape("only what is refused", f"{related(_OCTETS)}; q=0", NOT_ACCEPTABLE, NOT_ACCEPTABLE)


def _others() -> Iterator[Shape]:
    for accept in ("image/png", "text/html, application/json", "application/dicom", "video/mp4"):
        yield Shape(accept, accept, NOT_ACCEPTABLE, NOT_ACCEPTABLE)
    for accept in ("nonsense", ";", "multipart/related; type", "a/b c/d", f"{_OCTETS}; q=2", f"{_OCTETS}; q=best"):
        yield Shape(accept, accept, MALFORMED, MALFORMED)
    yield Shape("`accept=` alone", None, single(EXPLICIT), single(EXPLICIT), {}, _OCTETS)
    yield Shape("`accept=` before the header", "image/png", _STORED, _STORED, {}, related(_OCTETS, "*"))
    yield Shape("`accept=` of nonsense", related(_OCTETS), MALFORMED, MALFORMED, {}, "nonsense")
    yield Shape("`accept=` of what there is not", related(_OCTETS), NOT_ACCEPTABLE, NOT_ACCEPTABLE, {}, "image/png")


GROUPS: Mapping[str, tuple[Shape, ...]] = {
    "General": tuple(_general()),
    "Media types by name": tuple(_by_name()),
    "Transfer syntaxes by UID": tuple(_by_transfer_syntax()),
    "Several ranges": tuple(_several()),
    "Others": tuple(_others()),
}
SHAPES = tuple(shape for group in GROUPS.values() for shape in group)
