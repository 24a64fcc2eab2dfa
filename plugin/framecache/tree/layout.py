"""Where everything is in an archive: the one module that spells keys.

Studies and series are given by the names that `file_name` gives them.

    archive.json                                      format and version
    log/<study>/<series>/<digest>                     records of instances: immutable, created only
    log/<study>/changes/<digest>                      deletions, corrections, retractions: immutable, created only
    versions/<sha256>/<n>, all, table                 frames of a source that have no place of their own below studies/
    versions/<sha256>/<transfer syntax>               all frames of a source in another form
    contested/<study>/<series>/<instance>             several versions of it were written, or it was moved
    contested/<study>/placing/<number>                frames at such places are being exchanged
    summaries/<xx>/<study>/<digest>                   derived: what is known of a study
    index/<xx>-<digest>                               derived: the studies whose names hash to xx
    studies…                                          derived, but for frames and bulk data: what web servers send
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from framecache.dicom.identity import InstancePath
from framecache.dicom.transfer_syntax import lookup
from framecache.tree.headers import Headers

FORMAT, FORMAT_VERSION = "framecache-archive", 1
FORMAT_KEY = "archive.json"
# A name of the archive's own has no digit in it, or begins with an underscore: no identifier is spelled like that.
_FIT = re.compile(r"(?=[^0-9]*[0-9])[0-9A-Za-z][0-9A-Za-z._-]{0,63}", re.ASCII)
JSON = Headers("application/dicom+json", "gzip")
OWN_JSON = Headers("application/json", "gzip")
# The same in all files, so that a web server may name it in a header (RFC 2046 section 5.1.1). Each body has one part,
# of one instance: whoever writes a file with this line in a frame spoils that frame, and nothing else.
BOUNDARY = "frame-d3c1c4c07f2b4a0f9c5e"
TRAILER = f"\r\n--{BOUNDARY}--\r\n".encode()
BULK_DATA = Headers(f'multipart/related; type="application/octet-stream"; boundary={BOUNDARY}')
# Of frames beside the stored ones: HTJ2K without loss, whose decoders show it while it comes (RPCL).
FORMS = ("1.2.840.10008.1.2.4.202",)
_BULK_DATA_PART = f"--{BOUNDARY}\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n".encode()


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal: what content is named by."""
    return hashlib.sha256(content).hexdigest()


def file_name(identifier: str) -> str:
    """A UID or what an archive has in its place, as one step of a key.

    Itself if it is fit for a file name anywhere; else, of its SHA-256: nothing from outside escapes into a path.
    """
    return identifier if _FIT.fullmatch(identifier) else f"_{digest(identifier.encode())[:40]}"


@dataclass(frozen=True, slots=True)
class Layout:
    """Keys; in a folder, where no file may have the name of a folder, derived files have other names."""

    is_folder: bool

    @property
    def studies(self) -> str:
        return self._index("studies")

    def study(self, study: str) -> str:
        return self._index(f"studies/{study}")

    def series_of_study(self, study: str) -> str:
        return self._index(f"studies/{study}/series")

    def instances_of_series(self, study: str, series: str) -> str:
        return self._index(f"{series_prefix(study, series)}/instances")

    def series_metadata(self, study: str, series: str) -> str:
        return f"{series_prefix(study, series)}/metadata{'.gz' if self.is_folder else ''}"

    def _index(self, resource: str) -> str:
        return f"{resource}/index.json.gz" if self.is_folder else resource


def series_prefix(study: str, series: str) -> str:
    return f"studies/{study}/series/{series}"


def frames_prefix(path: InstancePath) -> str:
    series = series_prefix(file_name(path.study_instance_uid), file_name(path.series_instance_uid))
    return f"{series}/instances/{file_name(path.sop_instance_uid)}/frames"


def frame(path: InstancePath, number: int) -> str:
    return f"{frames_prefix(path)}/{number}"


def bulk_data(study: str, name: str) -> str:
    return f"studies/{study}/{bulk_data_uri(name)}"


def video_name(sha256: str, media_type: str) -> str:
    """A video's name among the bulk data: it is kept by itself, and a web server finds its type by the suffix."""
    return f"{sha256}.{media_type.rpartition('/')[2].lower()}"


def is_video(name: str) -> bool:
    return "." in name


def bulk_data_body(value: bytes) -> bytes:
    """The object of a bulk data value: multipart, as clients of Retrieve Bulkdata take it (PS3.18 section 10.4.4)."""
    return _BULK_DATA_PART % len(value) + value + TRAILER


def bulk_data_within(body: bytes) -> bytes:
    """The value in its object; nothing if it is none."""
    return body.partition(b"\r\n\r\n")[2].removesuffix(TRAILER)


def bulk_data_uri(name: str) -> str:
    """Relative to the study (PS3.18 section F.2.6): metadata stays true wherever the archive is served."""
    return f"bulkdata/{name}"


def pixel_data_uri(series: str, instance: str) -> str:
    return f"series/{series}/instances/{file_name(instance)}/frames"


def version(sha256: str, part: str | int) -> str:
    return f"versions/{sha256}/{part}"


def form(sha256: str, transfer_syntax_uid: str) -> str:
    """All frames of a source in another transfer syntax."""
    return version(sha256, transfer_syntax_uid)


def contested(path: InstancePath) -> str:
    names = (path.study_instance_uid, path.series_instance_uid, path.sop_instance_uid)
    return "/".join(("contested", *map(file_name, names)))


def placing(study: str) -> str:
    return f"contested/{study}/placing"


def log_of_study(study: str) -> str:
    return f"log/{study}"


def log_of_series(study: str, series: str) -> str:
    return f"{log_of_study(study)}/{series}"


def changes_of_study(study: str) -> str:
    return f"{log_of_study(study)}/changes"


def shard(study: str) -> str:
    """Which of 256 shards of the index a study is in."""
    return digest(study.encode())[:2]


def summaries_of_study(study: str) -> str:
    return f"summaries/{shard(study)}/{study}"


def name_of(names: Sequence[str]) -> str:
    """The digest of a set of names: what a derived file is made of."""
    return digest("\n".join(sorted(names)).encode())


def part_header(transfer_syntax_uid: str, length: int) -> bytes:
    """The bytes before a frame in its file: RFC 2387, with the part's headers as viewers match them."""
    media_type = lookup(transfer_syntax_uid).media_type
    return (
        f"--{BOUNDARY}\r\n"
        f"Content-Type: {media_type}; transfer-syntax={transfer_syntax_uid}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


def frame_headers(transfer_syntax_uid: str) -> Headers:
    media_type = lookup(transfer_syntax_uid).media_type
    return Headers(f'multipart/related; type="{media_type}"; boundary={BOUNDARY}')
