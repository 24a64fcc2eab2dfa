"""What the stock DICOMweb plugin does with the instances of the table, where that is not the same as ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from framecache.dicom.transfer_syntax import Encoding

from dev.orthanc_server import OrthancServer
from tests.conformance.client import HttpClient
from tests.conformance.shapes import related
from tests.conformance.stored import COMPRESSED, DEFLATED, EXPLICIT, STORED, Stored

CONFIGURATION: Mapping[str, object] = {
    "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    "KeepAlive": True,
    "KeepAliveTimeout": 60,
    "BuiltinDecoderTranscoderOrder": "Before",
}
PLUGINS = ("OrthancDicomWeb", "OrthancGdcm")
AS_STORED = related("application/octet-stream", "*")
AS_EXPLICIT = related("application/octet-stream", EXPLICIT)

_NEW = frozenset(f"{COMPRESSED}.{number}" for number in (110, 111, 112, 201, 202, 203))
_JPEG_2000 = frozenset({f"{COMPRESSED}.90", f"{COMPRESSED}.91"})
_UNCUT = frozenset(
    {
        "Explicit, 1 bit, frames that begin within a byte",
        "Implicit, 1 bit, frames that begin within a byte",
        "Explicit, YBR_FULL_422",
        "Explicit, Float Pixel Data",
        "Explicit, Double Float Pixel Data",
    }
)
_NO_TABLE = frozenset({"3 fragments a frame, empty offset table", "3 fragments a frame, wrong offset table"})


def refuses(suite: str, stored: Stored, accept: str) -> bool:
    """Whether it answers 400 or 500."""
    if stored.name in _UNCUT:
        return True
    if accept == AS_STORED:
        return stored.name in _NO_TABLE or (suite == "trixie" and stored.transfer_syntax_uid in _NEW)
    return stored.transfer_syntax_uid in _NEW or stored.name == "3 fragments a frame, wrong offset table"


def ends_the_server(suite: str, stored: Stored, accept: str) -> bool:
    """In trixie, GDCM's decoder of JPEG 2000 needs more stack than an HTTP thread of Orthanc has."""
    return suite == "trixie" and accept == AS_EXPLICIT and stored.transfer_syntax_uid in _JPEG_2000


def label(stored: Stored, accept: str) -> str:
    """The transfer syntax that it names: of a deflated file it sends inflated pixels as deflated ones."""
    if accept == AS_EXPLICIT or stored.encoding is Encoding.NATIVE:
        return DEFLATED if (stored.transfer_syntax_uid, accept) == (DEFLATED, AS_STORED) else EXPLICIT
    return stored.transfer_syntax_uid


def draws(stored: Stored) -> bool:
    """Whether it answers /rendered with 200; of others it may end the server, and is not asked."""
    is_new = stored.transfer_syntax_uid in _NEW | _JPEG_2000
    return not (
        is_new or stored.name in _UNCUT or "32 bits" in stored.name or stored.name == "Big Endian, 8 bits in OW"
    )


def refuses_to_draw(suite: str, stored: Stored) -> bool:
    """Whether it draws some frames only, and answers 400 for the others."""
    return suite == "forky" and stored.name in {"3 fragments a frame, empty offset table", "RLE, 2 fragments a frame"}


@contextmanager
def stock(suite: str, folder: Path) -> Iterator[HttpClient]:
    """An Orthanc without our plugin that holds every instance of the table."""
    with OrthancServer(suite, folder, CONFIGURATION, plugins=PLUGINS) as server:
        client = HttpClient(server.url)
        for stored in STORED:
            client.store(stored.file()).raise_for_status()
        yield client
        server.kill()  # an end takes seconds, and is not the point
