"""What dicomweb-client raises beside HTTP's errors, in the tree of all clients."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import requests

from framecache.client.arguments import methods_of
from framecache.client.errors import NotAcceptableError, NotFoundError, UnreachableError, UnreadableError

_Client = TypeVar("_Client")
# What it says before it asks, of media types that it does not ask for.
_NOT_ACCEPTABLE = re.compile(r"is not supported|Not a valid media type|[Aa]cceptable media type|Only media type")
_UNREADABLE = (ValueError, requests.exceptions.ContentDecodingError)  # OSErrors among them
_NO_URL = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema)


def with_client_errors(kind: type[_Client]) -> type[_Client]:
    """The class of clients, whose methods raise ClientErrors where dicomweb-client raises others."""
    for name, method in methods_of(kind).items():
        setattr(kind, name, _iterating(method) if name.startswith("iter_") else _calling(method))
    return kind


def _calling(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        with _errors(self.base_url):
            return method(self, *arguments, **named)

    return call


def _iterating(method: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    @wraps(method)
    def iterate(self: Any, *arguments: Any, **named: Any) -> Iterator[Any]:
        with _errors(self.base_url):
            yield from method(self, *arguments, **named)

    return iterate


@contextmanager
def _errors(url: str) -> Iterator[None]:
    try:
        yield
    except requests.HTTPError:  # ClientErrors among them
        raise
    except _NO_URL as error:
        raise NotFoundError("that is no URL of bulk data", url) from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise UnreachableError("the server's answer was cut off", url) from error
    except Exception as error:  # dicomweb-client and pydicom raise what they meet
        if isinstance(error, OSError) and not isinstance(error, _UNREADABLE):  # of the connection
            raise
        if isinstance(error, TypeError | ValueError) and _NOT_ACCEPTABLE.search(str(error)):
            raise NotAcceptableError(str(error), url) from error
        raise UnreadableError(f"the server's answer cannot be read: {type(error).__name__}", url) from error
