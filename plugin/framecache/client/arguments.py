"""The arguments of a DICOMClient's methods, checked before anything is asked: the same over all clients.

dicomweb-client raises TypeError or ValueError for some that are wrong, and asks the server for others: a UID with a
slash is another resource there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from operator import index
from typing import TYPE_CHECKING, Any, TypeVar

from framecache.client.errors import InvalidRequestError, as_client_errors
from framecache.dicom.identity import is_identifier
from framecache.dicomweb.query import text_of

if TYPE_CHECKING:
    from pydicom import Dataset

_METHODS = ("search_for_", "retrieve_", "iter_", "store_", "delete_")
_OF_FILES = ("application/dicom", "application/*", "application/", "*/*")
_FILES = frozenset(f"{verb}_{level}" for verb in ("retrieve", "iter") for level in ("study", "series", "instance"))
_Client = TypeVar("_Client")
_Check = Callable[[Any], Any]


def checked(kind: type[_Client]) -> type[_Client]:
    """The class of clients, whose methods raise InvalidRequestError for arguments that none of them can answer."""
    for name, method in methods_of(kind).items():
        setattr(kind, name, _checked(method))
    return kind


def methods_of(kind: type) -> dict[str, Callable[..., Any]]:
    """Those of DICOMClient, by their names."""
    found = {name: getattr(kind, name) for name in dir(kind) if name.startswith(_METHODS)}
    return {name: one for name, one in found.items() if callable(one)}


def _checked(method: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(method)
    parameters = signature.parameters
    names = tuple(parameters)[1:]
    least = sum(parameters[name].default is inspect.Parameter.empty for name in names)
    may_be_none = frozenset(name for name, one in parameters.items() if one.default is None)
    checks = {**_CHECKS, "media_types": _file_types if method.__name__ in _FILES else _media_types}

    def check(url: str, name: str, value: Any) -> Any:
        if name not in checks or (value is None and name in may_be_none):
            return value
        with as_client_errors(url):
            return checks[name](value)

    @wraps(method)
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        url = self.base_url
        if named or not least <= len(arguments) <= len(names):  # else it fits; to bind takes longer than all checks
            try:
                signature.bind(self, *arguments, **named)
            except TypeError as error:
                raise InvalidRequestError(str(error), url) from None
        positional = [check(url, name, value) for name, value in zip(names, arguments, strict=False)]
        named = {name: check(url, name, value) for name, value in named.items()}
        return method(self, *positional, **named)

    return call


def _uid(value: Any) -> str:
    """A text that may name something: None or "" would be everything, and take all of it in a deletion."""
    if isinstance(value, str) and is_identifier(value):
        return value
    raise InvalidRequestError("a study, series or instance is named by its UID, a text")


def _frame_numbers(value: Any) -> list[int]:
    """Whole numbers of any kind, numpy's too."""
    try:
        numbers = [] if isinstance(value, str | bytes | Mapping) else [_whole(one) for one in value]
    except TypeError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise InvalidRequestError("frame_numbers is a list of whole numbers, from 1")
    return numbers


def _whole(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return index(value)


def _media_types(value: Any) -> tuple[Any, ...]:
    """Media types, and pairs of one and a transfer syntax."""
    types = () if isinstance(value, str | bytes) or not isinstance(value, Iterable) else tuple(value)
    if not types or not all(map(_is_media_type, types)):
        raise InvalidRequestError("media_types is a list of media types, each alone or with a transfer syntax")
    return types


def _is_media_type(value: Any) -> bool:
    name, *syntax = (value,) if isinstance(value, str) or not isinstance(value, Iterable) else (*value, None)[:3]
    is_pair = syntax[1:] in ([], [None]) and (not syntax or _is_of_header(syntax[0]))
    return _is_of_header(name) and name.count("/") == 1 and '"' not in name and is_pair


def _is_of_header(value: Any) -> bool:
    """Whether it is text that may stand in a header of HTTP (RFC 9110 section 5.5)."""
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _file_types(value: Any) -> tuple[Any, ...]:
    types = _media_types(value)
    if not all((one if isinstance(one, str) else one[0]) in _OF_FILES for one in types):
        raise InvalidRequestError("a whole instance is application/dicom")
    return types


def _byte_range(value: Any) -> tuple[int, ...]:
    """The first and the last byte, from 0; or the first alone (RFC 9110 section 14.1.2)."""
    try:
        first, *last = map(_whole, value)
    except (TypeError, ValueError):
        first, last = -1, []
    if first < 0 or len(last) > 1 or min(last, default=first) < first:
        raise InvalidRequestError("byte_range is the first and the last byte, from 0")
    return first, *last


def _count(value: Any) -> int:
    try:
        number = _whole(value)
    except TypeError:
        number = -1
    if number < 0:
        raise InvalidRequestError("limit and offset are whole numbers, from 0")
    return number


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise InvalidRequestError("fuzzymatching and get_remaining are True or False")


def _fields(value: Any) -> list[str]:
    is_list = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    fields = list(value) if is_list else []
    if not is_list or not all(isinstance(one, str) for one in fields):
        raise InvalidRequestError("fields is a list of keywords or tags")
    return [_unicode(one) for one in fields]


def _filters(value: Any) -> dict[str, str]:
    """Values as text, as a URL has them, so that dates and lists are the same over all clients."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise InvalidRequestError("search_filters are values by keywords or tags")
    return {_unicode(name): _filter(name, one) for name, one in value.items()}


def _filter(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        raise InvalidRequestError(f"{name} is searched by text")
    return _unicode(text_of(name, value))


def _params(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return value
    raise InvalidRequestError("params are values by names of query parameters")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return _unicode(value)
    raise InvalidRequestError("a URL is a text")


def _unicode(text: str) -> str:
    """Half a surrogate pair, as in names of files that are no UTF-8, fits neither into a URL nor into an index."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError("a text is not Unicode") from error
    return text


def _data_sets(value: Any) -> list[Dataset]:
    from pydicom import Dataset  # noqa: PLC0415 - numpy comes with it

    data_sets = [] if isinstance(value, Dataset) or not isinstance(value, Iterable) else list(value)
    if not data_sets or not all(isinstance(one, Dataset) for one in data_sets):
        raise InvalidRequestError("datasets is a list of pydicom's data sets, of one at least")
    return data_sets


_CHECKS: Mapping[str, _Check] = {
    "study_instance_uid": _uid,
    "series_instance_uid": _uid,
    "sop_instance_uid": _uid,
    "frame_numbers": _frame_numbers,
    "byte_range": _byte_range,
    "limit": _count,
    "offset": _count,
    "fuzzymatching": _switch,
    "get_remaining": _switch,
    "fields": _fields,
    "search_filters": _filters,
    "params": _params,
    "url": _text,
    "datasets": _data_sets,
}
