"""One GET and its answer, of a real Orthanc or of the plugin alone; and the frames that are in an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote

import requests
import urllib3
from requests.utils import requote_uri
from urllib3.exceptions import NewConnectionError, ProtocolError
from urllib3.util import parse_url

PATIENCE = 60.0  # seconds
_SENT = {"Accept-Encoding": "gzip, deflate", "Connection": "keep-alive"}
ERROR = "application/json"  # what stands in the place of a broken frame


@dataclass(frozen=True)
class Reply:
    """An answer; names of headers are lower case. `body` is what came, streamed or not."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


class Client(Protocol):
    """Whoever answers below the DICOMweb root."""

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """GET, redirections not followed; no Accept is sent unless it is among `headers`."""


class HttpClient:
    """A real server, over one connection."""

    def __init__(self, url: str) -> None:
        self._url, self._pool = url, urllib3.connection_from_url(url, maxsize=1, timeout=PATIENCE)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Raises requests.ConnectionError where no answer begins.

        By urllib3, on which requests stands: tens of thousands are made, and requests takes longer than the server.
        """
        target = requote_uri(parse_url(f"{self._url}/dicom-web/{path}").request_uri)
        try:
            answer = self._pool.urlopen(
                "GET",
                target,
                headers={**_SENT, **(headers or {})},
                redirect=False,
                retries=False,
                preload_content=False,
            )
        except (ProtocolError, NewConnectionError) as error:
            raise requests.ConnectionError(error) from error
        body = answer.read(decode_content=True)
        answer.release_conn()
        return Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, body)

    def store(self, content: bytes) -> requests.Response:
        """Over a connection of its own: a server may just be closing an idle one, and a POST is not repeated."""
        return requests.post(f"{self._url}/instances", data=content, timeout=PATIENCE)


def accepting(accept: str | None) -> Mapping[str, str]:
    return {} if accept is None else {"Accept": accept}


def with_parameter(path: str, parameter: str | None) -> str:
    return path if parameter is None else f"{path}?accept={quote(parameter, safe='')}"


@dataclass(frozen=True)
class Part:
    """One frame of an answer, with the media type and the place that are said of it."""

    media_type: str
    transfer_syntax_uid: str
    location: str
    payload: bytes = field(repr=False)

    @property
    def content_type(self) -> str:
        """The media type with its transfer syntax, which pictures have none of."""
        uid = self.transfer_syntax_uid
        return f"{self.media_type}; transfer-syntax={uid}" if uid else self.media_type

    @property
    def number(self) -> str:
        """The frame number that its Content-Location names."""
        return self.location.rpartition("/frames/")[2].partition("/")[0]


def parts_of(reply: Reply) -> list[Part]:
    """The parts of a multipart/related body (RFC 2387), by their lengths; the body has nothing else in it."""
    found = re.fullmatch(r'multipart/related; type="([^"]+)"; boundary=([^\s;"]+)', reply.content_type)
    assert found, reply.content_type
    read = list(_split(reply.body, b"--" + found[2].encode()))
    frames = [part for part in read if part.media_type != ERROR]
    assert {part.content_type for part in frames} == {found[1]}
    return read


def single_part(reply: Reply) -> Part:
    return Part(*_media_type(reply.content_type), "", reply.body)


def _split(body: bytes, delimiter: bytes) -> Iterator[Part]:
    position = 0
    while not body.startswith(delimiter + b"--", position):
        assert body.startswith(delimiter + b"\r\n", position), body[position : position + 80]
        end = body.index(b"\r\n\r\n", position)
        lines = body[position + len(delimiter) + 2 : end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        position = end + 4 + int(headers["content-length"])
        payload = body[end + 4 : position]
        yield Part(*_media_type(headers["content-type"]), headers["content-location"], payload)
        assert body.startswith(b"\r\n" + delimiter, position), "a part is not as long as it says"
        position += 2
    assert body[position:] == delimiter + b"--\r\n"


def _media_type(content_type: str) -> tuple[str, str]:
    media_type, _, uid = content_type.partition("; transfer-syntax=")
    return media_type, uid
