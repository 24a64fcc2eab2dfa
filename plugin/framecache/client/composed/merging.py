"""Answers of several clients as one: each study, series and instance once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from framecache.client.collection import DicomJson
from framecache.dicomweb.attributes import Level

UID_TAGS = ("0020000D", "0020000E", "00080018")
# Of a study or series that two clients have in part: the greatest number, and all modalities and classes of either.
_NUMBERS, _LISTS = ("00201206", "00201208", "00201209"), ("00080061", "00080062")


def uids_of(result: Mapping[str, Any], level: Level) -> tuple[str, ...]:
    """The UIDs of a result, from that of its study down; "" where it does not tell one."""
    return tuple(str((result.get(tag, {}).get("Value") or [""])[0]) for tag in UID_TAGS[: level + 1])


def merged(answers: Iterable[Iterable[DicomJson]], level: Level, offset: int, limit: int | None) -> list[DicomJson]:
    """Results without duplicates, those of the first client first; `limit` of them behind the first `offset`."""
    found: dict[tuple[str, ...], DicomJson] = {}
    for answer in answers:
        for result in answer:
            uids = uids_of(result, level)
            found[uids] = _joined(found[uids], result) if uids in found else result
    return list(islice(found.values(), offset, None if limit is None else offset + limit))


def without_known(results: Iterable[DicomJson], seen: set[tuple[str, ...]]) -> Iterator[DicomJson]:
    """Results about instances that are not in `seen`, where they are noted."""
    for result in results:
        uids = uids_of(result, Level.INSTANCE)
        if uids not in seen:
            seen.add(uids)
            yield result


def _joined(one: DicomJson, other: DicomJson) -> DicomJson:
    joined = {**other, **one}
    for tag in _NUMBERS:
        if tag in one and tag in other:
            joined[tag] = max(one[tag], other[tag], key=_number)
    for tag in _LISTS:
        if tag in one and tag in other:
            values = sorted({*one[tag].get("Value", []), *other[tag].get("Value", [])})
            joined[tag] = {**one[tag], "Value": values} if values else one[tag]
    return dict(sorted(joined.items()))


def _number(element: Mapping[str, Any]) -> int:
    return int((element.get("Value") or [0])[0] or 0)
