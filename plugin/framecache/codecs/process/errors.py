"""What can go wrong with one frame in a helper process.

FrameCacheError
└── CodecError
    ├── Undecodable        the frame cannot be decoded, encoded or shown; a second try would not help
    │   └── Unwritable     its pixels are well, but the transfer syntax asked for has no room for them
    ├── CodecTimeout       it took longer than the deadline; the process was killed
    ├── CodecCrashed       the process ended, by itself or by the kernel
    └── CodecUnavailable   no process can be started here at all
"""

from __future__ import annotations

from framecache.errors import FrameCacheError


class CodecError(FrameCacheError):
    """A frame could not be transcoded or rendered."""


class Undecodable(CodecError):
    """The frame cannot be decoded or encoded; the message says why and holds nothing of the patient's."""


class Unwritable(Undecodable):
    """The frame cannot be had in the transfer syntax that was asked for, but in others."""


class CodecTimeout(CodecError):
    """The deadline passed; the process was killed."""


class CodecCrashed(CodecError):
    """The process ended while it had a frame."""


class CodecUnavailable(CodecError):
    """The helper processes cannot be started: the message says what has to be changed."""
