"""Whole instances of several clients: each once, and kept in the first if that is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import requests

from framecache.client.collection import DicomJson
from framecache.client.composed.answers import begun, some
from framecache.client.composed.kept import AS_STORED, DEFAULT, is_in
from framecache.client.composed.merging import UID_TAGS, uids_of
from framecache.client.composed.sources import Sources
from framecache.client.errors import NotFoundError
from framecache.client.retrieval.media_types import MediaTypes
from framecache.dicomweb.attributes import Level

if TYPE_CHECKING:
    from dicomweb_client.protocol import DICOMClient
    from pydicom import Dataset

_SEARCH = "search_for_instances"


class WholeInstances:
    """Retrieves from `sources`; with `writes_back` the first of them is a cache."""

    def __init__(self, sources: Sources, *, merges: bool, writes_back: bool) -> None:
        """With `merges`, a study or series is that of all clients; else of the first that has any of it."""
        self._sources, self._merges, self._writes_back = sources, merges, writes_back

    def instance(self, uids: tuple[str, str, str], media_types: MediaTypes | None) -> Dataset:
        """One, from the first client that has it."""
        asked = self._asked_of(media_types)
        client, data_set = self._sources.first(lambda one: (one, one.retrieve_instance(*uids, asked(one))))
        return self._kept(client, data_set, media_types or AS_STORED)

    def of_all(self, method: str, uids: tuple[str, ...], media_types: MediaTypes | None) -> Iterator[Dataset]:
        """Those of a study or series, by `method`, which is iter_study or iter_series."""
        if not self._merges:
            return self._sources.first(lambda one: begun(getattr(one, method)(*uids, media_types), NotFoundError))
        plan = self._sources.all(lambda one: some(getattr(one, _SEARCH)(*uids, get_remaining=True)))
        return self._planned(plan, method, uids, media_types)

    def _planned(
        self,
        plan: list[tuple[DICOMClient, list[DicomJson]]],
        method: str,
        uids: tuple[str, ...],
        media_types: MediaTypes | None,
    ) -> Iterator[Dataset]:
        """Each instance from the first client that has it: all of a client's at once, unless some came before."""
        seen: set[tuple[str, ...]] = set()
        for client, found in plan:
            new = [uids_of({**_named(uids), **result}, Level.INSTANCE) for result in found]
            new = [one for one in new if one not in seen]
            seen.update(new)
            asked = self._asked_of(media_types)(client)
            for data_set in self._of_client(client, new, asked, method if len(new) == len(found) else None, uids):
                yield self._kept(client, data_set, media_types or DEFAULT)

    def _of_client(
        self,
        client: DICOMClient,
        instances: list[tuple[str, ...]],
        media_types: MediaTypes | None,
        method: str | None,
        uids: tuple[str, ...],
    ) -> Iterator[Dataset]:
        if method is not None:
            yield from getattr(client, method)(*uids, media_types)
            return
        for study, series, instance in instances:
            yield client.retrieve_instance(study, series, instance, media_types)  # type: ignore[arg-type]

    def _asked_of(self, media_types: MediaTypes | None) -> Callable[[DICOMClient], Any]:
        """What each client is asked for: those before which there is a cache, for what it may keep."""
        return lambda client: AS_STORED if self._writes_back and client is not self._sources.clients[0] else media_types

    def _kept(self, client: DICOMClient, data_set: Dataset, media_types: MediaTypes) -> Dataset:
        """What was asked for, of a data set that another client than the first has as it is stored."""
        cache = self._sources.clients[0]
        if not self._writes_back or client is cache:
            return data_set
        is_stored = self._is_stored(cache, data_set)
        if is_in(data_set, media_types):
            return data_set
        uids = (str(data_set.StudyInstanceUID), str(data_set.SeriesInstanceUID), str(data_set.SOPInstanceUID))
        if is_stored:
            # It may lack a codec, or have taken less than it said.
            with suppress(requests.RequestException, OSError):
                return cache.retrieve_instance(*uids, media_types)  # type: ignore[arg-type]
        return client.retrieve_instance(*uids, media_types)  # type: ignore[arg-type]

    def _is_stored(self, cache: DICOMClient, data_set: Dataset) -> bool:
        """That it cannot be stored is no reason not to return it."""
        try:
            cache.store_instances([data_set])
        except (requests.RequestException, OSError) as error:
            self._sources.report(cache, error)
            return False
        return True


def _named(uids: tuple[str, ...]) -> DicomJson:
    """The UIDs that were asked for, which results below a study or series need not repeat."""
    return {tag: {"vr": "UI", "Value": [uid]} for tag, uid in zip(UID_TAGS, uids, strict=False)}
