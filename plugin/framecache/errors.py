"""The one tree of errors; each knows the HTTP status that a client is told.

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

from collections.abc import Sequence
from typing import Literal


class FrameCacheError(Exception):
    """Base of all errors that this package raises on purpose; `frames` are the numbers of those that it is about."""

    status = 500
    frames: Sequence[int] = ()
    retry_after: int | None = None  # seconds (RFC 9110 section 10.2.3)


class BadRequest(FrameCacheError):
    """The request is malformed (PS3.18 8.5)."""

    status = 400


class Forbidden(FrameCacheError):
    """Who asks may not do this, or not in this way."""

    status = 403


class NotFound(FrameCacheError):
    """The resource does not exist."""

    status = 404


class SharedUids(NotFound):
    """Several patients' instances have the same three UIDs: no URL tells which of them is meant."""

    def __init__(self) -> None:
        super().__init__("the UIDs are those of several instances")


class NotAcceptable(FrameCacheError):
    """No acceptable representation (PS3.18 8.7.8); `available` lists what could be asked for."""

    status = 406

    def __init__(self, message: str, available: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.available = available


class Overloaded(FrameCacheError):
    """Answers in flight hold all the memory that they may."""

    status = 503
    retry_after = 1


class Stopping(FrameCacheError):
    """Orthanc answers requests for a while after it has told of its end, and then waits for them."""

    status = 503
    retry_after = 10

    def __init__(self) -> None:
        super().__init__("Orthanc is stopping")


class SettingsError(FrameCacheError):
    """A setting has an unknown name, a wrong type or an impossible value."""


# Why a request is left to the stock DICOMweb plugin. It alone plays videos and sends documents; a file that we cannot
# read it may read; where the helper processes cannot be started it draws, and where the start-up checks found a fault,
# or we have one, it answers what it need not decode.
HandOverCause = Literal["video", "document", "unreadable", "no_codecs", "not_serving", "fault"]


class HandOver(FrameCacheError):
    """The stock DICOMweb plugin has to answer, if nothing has to be decoded for that; the message says why."""

    status = 307

    def __init__(self, message: str, cause: HandOverCause = "unreadable") -> None:
        super().__init__(message)
        self.cause = cause


class SourceError(FrameCacheError):
    """The stored instance could not be read."""


class InstanceGone(SourceError):
    """The stored file was deleted or replaced while it was being used."""

    status = 503
    retry_after = 1


class UnreadableHeader(SourceError):
    """The elements before the pixel data are not as PS3.5 section 7 has them, or there is no pixel data."""


class NoPixelData(UnreadableHeader):
    """The instance is no image (PS3.3 section A.45 and others)."""

    def __init__(self) -> None:
        super().__init__("the instance has no pixel data")


class NestedTooDeeply(SourceError):
    """Sequences lie in one another without an end: Orthanc's own parser runs out of stack on them."""

    def __init__(self) -> None:
        super().__init__("sequences are nested too deeply")


class BrokenPixelData(SourceError):
    """The pixel data contradicts the data set around it (PS3.5 section 8 and annex A), or a frame of it is missing."""


def reason(error: BaseException) -> str:
    """What to log of `error`: the message of an error of this package; any other is named by its type as well."""
    return str(error) if isinstance(error, FrameCacheError) else f"{type(error).__name__}: {error}"
