"""What goes wrong for a user of a client: one tree, with the HTTP status that a DICOMweb server would answer with.

requests.HTTPError
└── ClientError
    ├── InvalidRequestError  400  the call itself is wrong: an attribute that cannot be searched, frame 0
    ├── ForbiddenError       403  the collection is read-only, or its files may not be read
    ├── NotFoundError        404  there is no such study, series, instance, frame or bulk data
    ├── NotAcceptableError   406  it cannot be had in any of the media types asked for; `available` lists what can
    ├── ConflictError        409  an instance that is stored already is another one
    ├── UnreadableError      500  what is stored is damaged, or cannot be decoded
    └── UnreachableError     503  the folder, bucket or server does not answer now; a later try may help

Each has a `response` with that `status_code`, so that programs written for dicomweb-client catch them as before:
`except requests.HTTPError as error: error.response.status_code`. InvalidRequestError is a ValueError and a TypeError,
and NotAcceptableError a ValueError, as dicomweb-client raises these before it asks a server.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from framecache.errors import FrameCacheError, NoPixelData, NotAcceptable, reason


class ClientError(requests.HTTPError):
    """Base of all errors that a client raises; `url` is the resource that was asked for, without login."""

    status = 500

    def __init__(self, message: str, url: str = "", available: tuple[str, ...] = ()) -> None:
        url, response = without_login(url), requests.Response()
        response.status_code, response.reason, response.url = self.status, message, url
        super().__init__(message, response=response)
        self.message, self.url, self.available = message, url, available

    def __reduce__(self) -> tuple[type[ClientError], tuple[str, str, tuple[str, ...]]]:
        return type(self), (self.message, self.url, self.available)

    def __str__(self) -> str:
        return f"{self.status}: {self.message}" + (f" ({self.url})" if self.url else "")


class InvalidRequestError(ClientError, ValueError, TypeError):
    """No collection could answer this call."""

    status = 400


class ForbiddenError(ClientError):
    """This collection may be read only, or not even that."""

    status = 403


class NotFoundError(ClientError):
    """The collection does not have this resource."""

    status = 404


class NotAcceptableError(ClientError, ValueError):
    """The resource cannot be had in any of the media types asked for; `available` are those in which it can."""

    status = 406


class ConflictError(ClientError):
    """Another instance of the same UIDs is stored."""

    status = 409


class UnreadableError(ClientError):
    """What is stored cannot be read or decoded."""

    status = 500


class UnreachableError(ClientError):
    """The collection does not answer now."""

    status = 503


_BY_STATUS: dict[int, type[ClientError]] = {
    kind.status: kind
    for kind in (
        InvalidRequestError,
        ForbiddenError,
        NotFoundError,
        NotAcceptableError,
        ConflictError,
        UnreadableError,
        UnreachableError,
    )
}


def error_of(status: int, message: str, url: str = "", available: tuple[str, ...] = ()) -> ClientError:
    """The error for an HTTP status: 401 and 403 are Forbidden, 410 is NotFound, 429 and 502 to 504 are Unreachable."""
    status = {401: 403, 410: 404, 429: 503, 502: 503, 504: 503}.get(status, status)
    if status not in _BY_STATUS:
        status = 400 if status < 500 else 500  # noqa: PLR2004 - RFC 9110 sections 15.5 and 15.6
    return _BY_STATUS[status](message, url, available)


def without_login(url: str) -> str:
    """`url` as messages and logs may have it: without name and password before its host (RFC 3986 section 3.2.1)."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


@contextmanager
def as_client_errors(url: str) -> Iterator[None]:
    """Raise errors of this package and of the system as ClientError."""
    try:
        yield
    except ClientError:
        raise
    except FrameCacheError as error:
        available = error.available if isinstance(error, NotAcceptable) else ()
        raise error_of(_status(error), reason(error), url, available) from error
    except sqlite3.Error as error:  # the disk is full, the index is locked for long, or is no file
        raise UnreachableError(f"the index cannot be used: {error}", url) from error
    except PermissionError as error:
        raise ForbiddenError(f"not permitted: {error.strerror}", url) from error
    except OSError as error:
        raise UnreachableError(f"{type(error).__name__}: {error.strerror or error}", url) from error


def _status(error: FrameCacheError) -> int:
    """A document has no frames: there is no such resource. What a server hands over to another cannot be read here."""
    if isinstance(error, NoPixelData):
        return 404
    return error.status if error.status >= 400 else 500  # noqa: PLR2004 - RFC 9110 section 15.5
