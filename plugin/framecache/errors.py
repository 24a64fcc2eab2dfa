"""The one tree of errors; each has the HTTP status of the answer to a client.

FrameCacheError
├── BadRequest             400  the request itself is wrong
├── Forbidden              403  not for this user, or not in this way
├── NotFound               404  no such resource here
│   └── SharedUids              several instances have its UIDs
├── NotAcceptable          406  nothing that we have is acceptable
├── Overloaded             503  too many bytes in flight; try again
├── Stopping               503  Orthanc is ending; try again when it is back
├── SettingsError               a value in the "FrameCache" section is impossible
├── HandOver                    not ours to answer: the stock DICOMweb plugin may be asked
└── SourceError            500  the stored instance could not be read
    ├── InstanceGone       503  it was deleted or replaced meanwhile; try again
    ├── UnreadableHeader   500  its header is not one that we can read
    │   └── NoPixelData         it has none: it is a document, a report, a waveform…
    ├── NestedTooDeeply    500  its sequences lie deeper in one another than any parser should go
    └── BrokenPixelData    500  its pixel data contradicts its header, or ends too early
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

# In the URL of a request: a user with a password, and a query, such as a shared access signature.
_SECRETS = re.compile(r"(?<=://)[^/\s@?]*@|(?<=\S)\?[^\s\"')]+")


class FrameCacheError(Exception):
    """Base of all errors that this package raises; `frames` are the affected frame numbers, from 1."""

    status = 500
    frames: Sequence[int] = ()
    retry_after: int | None = None  # seconds (RFC 9110 section 10.2.3)


class BadRequest(FrameCacheError):
    """The request is malformed (PS3.18 8.5)."""

    status = 400


class Forbidden(FrameCacheError):
    """This user may not do this, or the request lacks what the action requires."""

    status = 403


class NotFound(FrameCacheError):
    """The resource does not exist."""

    status = 404


class SharedUids(NotFound):
    """Instances of several patients share the three UIDs: no URL distinguishes them."""

    def __init__(self) -> None:
        super().__init__("the UIDs are those of several instances")


class NotAcceptable(FrameCacheError):
    """No acceptable representation (PS3.18 8.7.8); `available` lists the possible ones."""

    status = 406

    def __init__(self, message: str, available: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.available = available


class Overloaded(FrameCacheError):
    """Answers in flight use all the memory that they may."""

    status = 503
    retry_after = 1


class Stopping(FrameCacheError):
    """The plugin is stopping. Orthanc still passes requests on for a while, and then waits for them."""

    status = 503
    retry_after = 10

    def __init__(self) -> None:
        super().__init__("Orthanc is stopping")


class SettingsError(FrameCacheError):
    """A setting has an unknown name, a wrong type or an invalid value."""


# Why a request is handed over to the stock DICOMweb plugin. Only that plugin sends videos and documents. It may be able
# to read a file that we cannot. It renders if the helper processes cannot start. After a failed start-up check, or an
# internal error of ours, it answers requests that need no decoding.
HandOverCause = Literal["video", "document", "unreadable", "no_codecs", "not_serving", "fault"]


class HandOver(FrameCacheError):
    """The stock DICOMweb plugin must answer, unless that requires decoding; the message gives the reason."""

    status = 307

    def __init__(self, message: str, cause: HandOverCause = "unreadable") -> None:
        super().__init__(message)
        self.cause = cause


class SourceError(FrameCacheError):
    """The stored instance could not be read."""


class InstanceGone(SourceError):
    """The stored file was deleted or replaced while it was in use."""

    status = 503
    retry_after = 1


class UnreadableHeader(SourceError):
    """The elements before the pixel data violate PS3.5 section 7, or the pixel data is missing."""


class NoPixelData(UnreadableHeader):
    """The instance is no image (PS3.3 section A.45 and others)."""

    def __init__(self) -> None:
        super().__init__("the instance has no pixel data")


class NestedTooDeeply(SourceError):
    """Sequences are nested too deeply: Orthanc's own parser overflows its stack on them."""

    def __init__(self) -> None:
        super().__init__("sequences are nested too deeply")


class BrokenPixelData(SourceError):
    """The pixel data contradicts the data set around it (PS3.5 section 8 and annex A), or a frame of it is missing."""


# Of the bytes of a file: another attempt to read it would end as this one did.
FOR_GOOD = (UnreadableHeader, BrokenPixelData, NestedTooDeeply)
# These may pass, unless they are of those above.
FOR_A_WHILE = (Overloaded, SourceError, OSError)


def without_secrets(message: str) -> str:
    """A library's message without what its URLs may have of an access token or a password."""
    return _SECRETS.sub("", message)


def reason(error: BaseException) -> str:
    """The text to log for `error`: its message, with the type if it is not an error of this package."""
    return str(error) if isinstance(error, FrameCacheError) else f"{type(error).__name__}: {error}"
