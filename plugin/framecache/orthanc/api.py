"""Orthanc's REST API, called inside the process, and callbacks that Orthanc may keep."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from framecache.errors import NotFound, SourceError
from framecache.ports import OrthancApi, OrthancModule

_Value = TypeVar("_Value")
_NOT_FOUND_CODES = frozenset({7, 17})  # OrthancPluginErrorCode: InexistentItem, UnknownResource


class ModuleApi:
    """Orthanc's REST API, called in the process."""

    def __init__(self, module: OrthancModule) -> None:
        self._module, self._get, self._post = module, module.RestApiGet, module.RestApiPost

    def get(self, uri: str) -> bytes:
        return _call(lambda: self._get(uri))

    def post(self, uri: str, body: bytes) -> bytes:
        return _call(lambda: self._post(uri, body))

    def header(self, orthanc_id: str) -> bytes:
        module = self._module
        return _call(
            lambda: bytes(
                module.LoadDicomInstance(orthanc_id, module.LoadDicomInstanceMode.EMPTY_PIXEL_DATA).GetInstanceData()
            )
        )

    def get_property(self, number: int) -> str:
        return _call(lambda: self._module.GetGlobalProperty(number, ""))

    def set_property(self, number: int, value: str) -> None:
        _call(lambda: self._module.SetGlobalProperty(number, value))


def _call(function: Callable[[], _Value]) -> _Value:
    try:
        return function()
    except Exception as error:  # the module's own exception type is not importable here
        code, message = (*error.args, None, None)[:2]
        if code in _NOT_FOUND_CODES:
            raise NotFound(str(message)) from error
        raise SourceError(f"Orthanc refuses: {message or code}") from error


def get_json(api: OrthancApi, uri: str) -> Any:
    """The answer to GET `uri`. Raises NotFound, SourceError."""
    return _decoded(api.get(uri))


def post_json(api: OrthancApi, uri: str, body: Mapping[str, object]) -> Any:
    """The answer to POST `uri`. Raises NotFound, SourceError."""
    return _decoded(api.post(uri, json.dumps(body).encode()))


def _decoded(answer: bytes) -> Any:
    try:
        return json.loads(answer)
    except ValueError as error:
        raise SourceError(f"Orthanc's answer is no JSON: {error}") from error


def for_good(callback: Callable[..., None]) -> Callable[..., None]:
    """`callback`, safe to register in Orthanc.

    When Orthanc stops, its Python plugin releases its references to callbacks without holding the interpreter's lock:
    if that were the last reference, freeing the object would crash the server. A reference cycle adds another.
    """
    vars(callback)["itself"] = callback
    return callback
