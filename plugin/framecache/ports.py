"""The interfaces to the outside. The package uses the Orthanc module only through these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class OrthancApi(Protocol):
    """Orthanc's own REST API, called inside the process.

    Both methods raise NotFound for unknown resources, and SourceError for any other error.
    """

    def get(self, uri: str) -> bytes:
        """The body of the answer to GET `uri`."""

    def post(self, uri: str, body: bytes) -> bytes:
        """The body of the answer to POST `uri`."""


class HeaderApi(OrthancApi, Protocol):
    """The same, and what no route gives."""

    def header(self, orthanc_id: str) -> bytes:
        """The present file of an instance without the value of its pixel data, as Orthanc's own parser writes it.

        Orthanc reads no more of it, where its storage has reading by range. Raises SourceError.
        """


class PropertyApi(OrthancApi, Protocol):
    """The same, and values in Orthanc's database, which are as old as its instances."""

    def get_property(self, number: int) -> str:
        """The value of this number, from 1024; "" if there is none. Raises SourceError."""

    def set_property(self, number: int, value: str) -> None:
        """Keep a value. Raises SourceError."""


class Clock(Protocol):
    """The clock, which tests replace."""

    def time(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; they never go back."""


class RestOutput(Protocol):
    """Orthanc's side of one HTTP answer."""

    def AnswerBuffer(self, content: bytes | bytearray | memoryview, content_type: str, /) -> None:
        """Send a whole answer with its length, status 200, without copying it."""

    def SendHttpStatus(self, status: int, body: bytes, /) -> None:
        """Send a status with a body of text."""

    def SendMethodNotAllowed(self, allowed: str, /) -> None:
        """Send 405."""

    def StartStreamAnswer(self, content_type: str, /) -> None:
        """Begin an answer without a length; Orthanc closes the connection after it."""

    def SendStreamChunk(self, content: bytes | bytearray | memoryview, /) -> None:
        """Send a piece of the streamed answer."""

    def SetHttpHeader(self, name: str, value: str, /) -> None:
        """Add a header to the answer that follows."""


class OrthancModule(Protocol):
    """The part of the module `orthanc` that the package uses."""

    @property
    def ChangeType(self) -> Any:
        """The types of changes, as numbers."""

    @property
    def LoadDicomInstanceMode(self) -> Any:
        """How much of an instance is loaded, as numbers."""

    @property
    def MetricsType(self) -> Any:
        """The types of Orthanc's metrics, as numbers."""

    @property
    def ResourceType(self) -> Any:
        """The levels of resources, as numbers."""

    def CheckVersionAdvanced(self, major: int, minor: int, revision: int, /) -> int:
        """Whether the core has at least this version."""

    def ExtendOrthancExplorer(self, javascript: str, /) -> None:
        """Add a script to Orthanc Explorer; it replaces the script of the previous call."""

    def GetConfiguration(self) -> str:
        """The configuration as JSON."""

    def GetConfigurationPath(self) -> str:
        """The file or folder of the configuration."""

    def GetGlobalProperty(self, number: int, default: str, /) -> str:
        """A value that a plugin keeps in the database."""

    def LoadDicomInstance(self, instance_id: str, mode: int, /) -> Any:
        """An instance, parsed."""

    def LogError(self, message: str, /) -> None:
        """Write to Orthanc's log."""

    def LogInfo(self, message: str, /) -> None:
        """Write to Orthanc's log."""

    def LogWarning(self, message: str, /) -> None:
        """Write to Orthanc's log."""

    def RegisterOnChangeCallback(self, callback: Callable[..., None], /) -> None:
        """Register the callback for changes; Orthanc accepts only one."""

    def RegisterRestCallback(self, pattern: str, callback: Callable[..., Any], /) -> None:
        """Register a route. Only while the script is loading: a later call can deadlock."""

    def RestApiGet(self, uri: str, /) -> bytes:
        """GET from Orthanc's core."""

    def RestApiGetAfterPlugins(self, uri: str, /) -> bytes:
        """GET, including the routes of plugins."""

    def RestApiPost(self, uri: str, body: bytes, /) -> bytes:
        """POST to Orthanc's core."""

    def SetGlobalProperty(self, number: int, value: str, /) -> None:
        """Keep a value in the database."""

    def SetMetricsValue(self, name: str, value: float, kind: int, /) -> None:
        """Set a value of Orthanc's own metrics."""
