"""The metadata of all files as the stock plugin has it, beside ours: attribute by attribute."""

from __future__ import annotations

import hashlib
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from framecache.dicom.byte_reader import MemoryReader
from framecache.dicom.data_set import read_header, read_transfer_syntax_uid
from framecache.dicom.deflated import readable
from framecache.dicom.identity import InstancePath
from framecache.dicom.model.bulk_data import BASE, BulkDataUris
from framecache.dicom.model.dicom_json import dicom_json
from framecache.dicom.model.native_model import native_dicom_model
from framecache.errors import NoPixelData
from framecache.shared_buffers import SharedBuffers

from dev.orthanc_server import OrthancServer
from dev.real_files import FILES
from tests.conformance import stock
from tests.real_files.data_sets import DATA_SETS
from tests.real_files.images import ALIKE

LARGEST = 600_000  # bytes of a file: others like it are smaller
URIS_OF_A_FILE = 5
HOST = "archive.test"
CONFIGURATION = {
    **stock.CONFIGURATION,
    "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableMetadataCache": False, "Host": HOST},
    "OverwriteInstances": True,
    "StableAge": 3600,
    "SyncStorageArea": False,
}
_MODEL = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
_LINE_END = re.compile(r"[\r\n]+")
_XML = 'multipart/related; type="application/dicom+xml"'
Attribute = Mapping[str, Any] | None


@dataclass(frozen=True)
class Finding:
    """An attribute that is not the same; `place` is its tag, behind those of the sequences that it is in.

    Without place it is the whole answer: the stock plugin's is an error.
    """

    name: str
    place: str
    stock: Attribute
    ours: Attribute

    @property
    def tag(self) -> str:
        return self.place.rpartition("/")[2]

    @property
    def vr(self) -> str:
        """Ours, or the stock plugin's of what we leave out."""
        return str((self.ours or self.stock or {})["vr"])

    def values(self, attribute: Attribute) -> list[Any]:
        found: list[Any] = (attribute or {}).get("Value", [])
        return found


@dataclass(frozen=True)
class Comparison:
    """Of one file: what differs as JSON; as XML, where the JSON is the same; and which URIs lead nowhere."""

    json: Sequence[Finding]
    xml: Sequence[str]
    unanswered: Sequence[str]


def files() -> Iterator[tuple[str, bytes]]:
    """Synthetic and real ones, each once."""
    yield from ((data_set.name, data_set.content(number)) for number, data_set in enumerate(DATA_SETS))
    seen = set[bytes]()
    for path in sorted(FILES.rglob("*")):
        if not path.is_file() or path.stat().st_size > LARGEST or any(path.match(pattern) for pattern in ALIKE):
            continue
        content = path.read_bytes()
        digest = hashlib.sha256(content).digest()
        if content[128:132] == b"DICM" and digest not in seen:
            seen.add(digest)
            yield path.relative_to(FILES).as_posix(), content


def ours(content: bytes, path: InstancePath) -> bytes:
    """As it is kept."""
    reader = MemoryReader(content)
    syntax = read_transfer_syntax_uid(reader)
    with readable(reader, syntax, SharedBuffers(1 << 30), path) as inflated:
        try:
            header = read_header(inflated, syntax)
            content = header.content[: header.pixel_data.offset]
        except NoPixelData:
            content = inflated.read_at(0, inflated.size)
    return dicom_json(content, syntax, BulkDataUris(path), default_character_set="ISO_IR 100")


def _path(content: bytes) -> InstancePath:
    own = json.loads(ours(content, InstancePath("0", "0", "0")), strict=False)
    return InstancePath(*(own[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018")))


class StockServer:
    """A stock Orthanc."""

    def __init__(self, url: str) -> None:
        self._url, self._session = url, requests.Session()

    def compare(self, name: str, content: bytes) -> Comparison | None:
        """None where Orthanc refuses the file, or knows it as of several patients."""
        if self._session.post(f"{self._url}/instances", data=content).status_code != 200:
            return None
        path = _path(content)
        kept, answer = ours(content, path), self._get(f"{path}/metadata")
        if answer.status_code != 200:
            return Comparison([Finding(name, "", None, {"vr": ""})], [], []) if answer.status_code == 500 else None
        root = f"http://{HOST}/dicom-web/".encode()
        stocks, own = answer.json()[0], json.loads(kept.replace(BASE, root))
        found = list(_findings(name, stocks, own, ""))
        differing = {finding.place.partition("/")[0] for finding in found}
        xml = _model(self._get(f"{path}/metadata", _XML).content)
        own_xml = _model(native_dicom_model(kept).replace(BASE, root))
        return Comparison(found, list(_xml_findings(name, xml, own_xml, differing)), self._unanswered(own))

    def _get(self, path: str, accept: str = "application/dicom+json") -> requests.Response:
        return self._session.get(f"{self._url}/dicom-web/{path}", headers={"Accept": accept})

    def _unanswered(self, own: Mapping[str, Any]) -> list[str]:
        paths = [uri.partition("/dicom-web/")[2] for uri in _uris(own)][:URIS_OF_A_FILE]
        return [path for path in paths if self._get(path, "*/*").status_code != 200]


@contextmanager
def stock_server(suite: str, folder: Path) -> Iterator[StockServer]:
    with OrthancServer(suite, folder, CONFIGURATION, plugins=stock.PLUGINS) as server:
        yield StockServer(server.url)
        server.kill()  # an end takes seconds, and is not the point


def _findings(name: str, stocks: Mapping[str, Any], own: Mapping[str, Any], place: str) -> Iterator[Finding]:
    for tag in sorted({*stocks, *own}):
        one, other = stocks.get(tag), own.get(tag)
        if one == other:
            continue
        items = [(attribute or {}).get("Value", []) for attribute in (one, other)]
        if {(one or {}).get("vr"), (other or {}).get("vr")} == {"SQ"} and len(items[0]) == len(items[1]):
            for number, (first, second) in enumerate(zip(*items, strict=True), 1):
                yield from _findings(name, first, second, f"{place}{tag}/{number}/")
        else:
            yield Finding(name, place + tag, one, other)


def _uris(own: Mapping[str, Any]) -> Iterator[str]:
    for tag, attribute in own.items():
        if "BulkDataURI" in attribute and tag != "7FE00010":
            yield attribute["BulkDataURI"]
        if attribute["vr"] == "SQ":
            for item in attribute.get("Value", []):
                yield from _uris(item)


def _model(answer: bytes) -> dict[str, str]:
    """What the XML in `answer` says, by place."""
    found = re.search(rb"<\?xml.*</NativeDicomModel>", answer, re.DOTALL)
    assert found is not None, answer
    # Both write some control characters that XML does not have.
    return dict(_said(ET.fromstring(re.sub(rb"&#(?!13;)\d+;", b"", found[0])), ""))  # noqa: S314 - our own servers


def _said(element: ET.Element, place: str) -> Iterator[tuple[str, str]]:
    for child in element:
        name, number = child.tag.removeprefix(_MODEL), child.get("number")
        within = f"{place}/{child.get('tag') or number or ''}{name if number or not child.get('tag') else ''}"
        if name == "DicomAttribute":
            yield within, f"{child.get('vr')} {(child.get('keyword') or '').removeprefix('RETIRED_')}"
        elif name == "BulkData":
            yield within, child.get("uri") or child.get("URI") or ""
        elif child.text and not len(child):
            yield within, child.text
        yield from _said(child, within)


def _xml_findings(name: str, stocks: Mapping[str, str], own: Mapping[str, str], differing: set[str]) -> Iterator[str]:
    for place in sorted({*stocks, *own}):
        one, other = stocks.get(place, ""), own.get(place, "")
        if place[1:9] not in differing and not _is_alike(one, other):
            yield f"{name} {place}: {one!r}, {other!r}"


def _is_alike(stocks: str, own: str) -> bool:
    """The stock plugin has the keyword of private creators, single precision, and line ends that XML unites."""
    if _LINE_END.sub("\n", stocks).strip() == _LINE_END.sub("\n", own).strip() or stocks.endswith("PrivateCreator"):
        return True
    try:
        return abs(float(stocks) - float(own)) <= 1e-6 * abs(float(own))
    except ValueError:
        return False
