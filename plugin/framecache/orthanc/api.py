"""Orthanc's REST API, called inside the process, and callbacks in a form that Orthanc may keep."""

from __future__ import annotations

from collections.abc import Callable

from framecache.errors import NotFound, SourceError
from framecache.ports import OrthancModule

_NOT_FOUND_CODES = frozenset({7, 17})  # OrthancPluginErrorCode: InexistentItem, UnknownResource


class ModuleApi:
    """Orthanc's REST API, called in the process."""

    def __init__(self, module: OrthancModule) -> None:
        self._get, self._post = module.RestApiGet, module.RestApiPost

    def get(self, uri: str) -> bytes:
        return _call(lambda: self._get(uri))

    def post(self, uri: str, body: bytes) -> bytes:
        return _call(lambda: self._post(uri, body))


def _call(function: Callable[[], bytes]) -> bytes:
    try:
        return function()
    except Exception as error:  # the module's own exception type is not importable here
        code, message = (*error.args, None, None)[:2]
        if code in _NOT_FOUND_CODES:
            raise NotFound(str(message)) from error
        raise SourceError(f"Orthanc refuses: {message or code}") from error


def for_good(callback: Callable[..., None]) -> Callable[..., None]:
    """`callback`, in a form that may be registered in Orthanc.

    When it stops, Orthanc's Python plugin gives up its references to callbacks without holding the interpreter's
    lock: if that were the last reference, freeing the object would crash the server. A cycle holds one more.
    """
    vars(callback)["itself"] = callback
    return callback
