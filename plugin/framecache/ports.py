"""What the package needs from the outside; the Orthanc module is behind these and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class OrthancApi(Protocol):
    """Orthanc's own REST API, called inside the process.

    Both raise NotFound for what Orthanc does not know, SourceError for any other refusal.
    """

    def get(self, uri: str) -> bytes:
        """The body of the answer to GET `uri`."""

    def post(self, uri: str, body: bytes) -> bytes:
        """The body of the answer to POST `uri`."""


class Clock(Protocol):
    """Time, so that tests can turn it."""

    def time(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds since some moment, never going back."""


class RestOutput(Protocol):
    """Orthanc's side of one HTTP answer."""

    def AnswerBuffer(self, content: bytes | bytearray | memoryview, content_type: str, /) -> None:
        """Send a whole answer with its length, status 200, without copying it."""

    def SendHttpStatus(self, status: int, body: bytes, /) -> None:
        """Send a status with a body of text."""

    def SendMethodNotAllowed(self, allowed: str, /) -> None:
        """Send 405."""

    def StartStreamAnswer(self, content_type: str, /) -> None:
        """Begin an answer without length; the connection is closed behind it."""

    def SendStreamChunk(self, content: bytes | bytearray | memoryview, /) -> None:
        """Send a piece of it."""

    def SetHttpHeader(self, name: str, value: str, /) -> None:
        """Add a header to the answer that follows."""


class OrthancModule(Protocol):
    """What is used of the module `orthanc`."""

    @property
    def ChangeType(self) -> Any:
        """The kinds of events, as numbers."""

    @property
    def MetricsType(self) -> Any:
        """How Orthanc's metrics age, as numbers."""

    @property
    def ResourceType(self) -> Any:
        """The levels of resources, as numbers."""

    def CheckVersionAdvanced(self, major: int, minor: int, revision: int, /) -> int:
        """Whether the core is at least of this version."""

    def ExtendOrthancExplorer(self, javascript: str, /) -> None:
        """Add a script to Orthanc Explorer; the next call takes the last one's away."""

    def GetConfiguration(self) -> str:
        """The configuration as JSON."""

    def GetConfigurationPath(self) -> str:
        """The file or folder that it was read from."""

    def LogError(self, message: str, /) -> None:
        """Write to Orthanc's log."""

    def LogInfo(self, message: str, /) -> None:
        """Write to Orthanc's log."""

    def LogWarning(self, message: str, /) -> None:
        """Write to Orthanc's log."""

    def RegisterOnChangeCallback(self, callback: Callable[..., None], /) -> None:
        """Only one callback may be registered in an Orthanc."""

    def RegisterRestCallback(self, pattern: str, callback: Callable[..., Any], /) -> None:
        """Only while the script is loaded; later it can deadlock."""

    def RestApiGet(self, uri: str, /) -> bytes:
        """GET from the core."""

    def RestApiGetAfterPlugins(self, uri: str, /) -> bytes:
        """GET, the plugins' routes included."""

    def RestApiPost(self, uri: str, body: bytes, /) -> bytes:
        """POST to the core."""

    def SetMetricsValue(self, name: str, value: float, kind: int, /) -> None:
        """Write a number into Orthanc's own metrics."""
