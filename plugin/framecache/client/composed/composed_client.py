"""A DICOMClient over several: first the cache, then the web; or all of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import requests

from framecache.client.arguments import checked
from framecache.client.collection import DicomJson
from framecache.client.composed.answers import begun, some
from framecache.client.composed.merging import merged, without_known
from framecache.client.composed.sources import OnFailure, SourceFailure, Sources, is_absence, most_telling
from framecache.client.composed.whole_instances import WholeInstances
from framecache.client.errors import InvalidRequestError, NotFoundError
from framecache.client.retrieval.media_types import MediaTypes
from framecache.closing import Closing
from framecache.dicomweb.attributes import Level

if TYPE_CHECKING:
    from dicomweb_client.protocol import DICOMClient
    from pydicom import Dataset

_Item = TypeVar("_Item")
_SEARCHES = ("search_for_studies", "search_for_series", "search_for_instances")
_FORBIDDEN = 403


@checked
class ComposedClient(Closing):
    """A DICOMClient whose answers are those of other clients, composed ones among them.

    With `sequential`, clients are asked in order until one has what is asked for; a search, until one finds something.
    Else all are asked at once: of one instance the fastest answer counts, and searches, studies and series are merged,
    each instance once. With `write_back` the first client is a cache: whole instances that another one has are stored
    in it. As it may have a part of a study, searches, studies and series are merged then, too.

    A client that fails is reported: by the logger, `failures` and `on_failure`. If all fail, or with `strict`, the
    error is raised; so it is if those that answer do not have what is asked for. Methods may be called from many
    threads at once; it pickles if its clients do, and closes them.
    """

    def __init__(
        self,
        clients: Sequence[DICOMClient],
        sequential: bool = True,  # noqa: FBT001, FBT002 - as dicomweb-client's arguments
        write_back: bool | None = None,  # noqa: FBT001
        *,
        strict: bool = False,
        on_failure: OnFailure | None = None,
    ) -> None:
        """Raises InvalidRequestError for no client at all."""
        if not clients:
            raise InvalidRequestError("a composed client consists of one client or more")
        self._sources = Sources(clients, sequential=sequential, strict=strict, on_failure=on_failure)
        self._merges = bool(write_back) or not sequential
        self._instances = WholeInstances(self._sources, merges=self._merges, writes_back=bool(write_back))
        first = clients[0]
        self.base_url: str = first.base_url
        self.scheme: str = first.scheme
        self.protocol: str | None = first.protocol
        self.url_prefix: str = first.url_prefix
        self.qido_url_prefix: str | None = first.qido_url_prefix
        self.wado_url_prefix: str | None = first.wado_url_prefix
        self.stow_url_prefix: str | None = first.stow_url_prefix
        self.delete_url_prefix: str | None = first.delete_url_prefix

    @property
    def clients(self) -> tuple[DICOMClient, ...]:
        """Those that it consists of, in their order."""
        return self._sources.clients

    @property
    def failures(self) -> list[SourceFailure]:
        """The latest failures of clients, the newest last."""
        return list(self._sources.failures)

    def close(self) -> None:
        """Close all clients."""
        self._sources.close()

    # Search

    def search_for_studies(
        self,
        fuzzymatching: bool | None = None,  # noqa: FBT001
        limit: int | None = None,
        offset: int | None = None,
        fields: Sequence[str] | None = None,
        search_filters: Mapping[str, Any] | None = None,
        get_remaining: bool = False,  # noqa: FBT001, FBT002
    ) -> list[DicomJson]:
        """Studies; `limit` and `offset` are over all that are found. A study that several clients have comes once."""
        arguments = (fuzzymatching, limit, offset, fields, search_filters, get_remaining)
        return self._search(Level.STUDY, (), *arguments)

    def search_for_series(
        self,
        study_instance_uid: str | None = None,
        fuzzymatching: bool | None = None,  # noqa: FBT001
        limit: int | None = None,
        offset: int | None = None,
        fields: Sequence[str] | None = None,
        search_filters: Mapping[str, Any] | None = None,
        get_remaining: bool = False,  # noqa: FBT001, FBT002
    ) -> list[DicomJson]:
        """Series, as `search_for_studies`."""
        arguments = (fuzzymatching, limit, offset, fields, search_filters, get_remaining)
        return self._search(Level.SERIES, (study_instance_uid,), *arguments)

    def search_for_instances(
        self,
        study_instance_uid: str | None = None,
        series_instance_uid: str | None = None,
        fuzzymatching: bool | None = None,  # noqa: FBT001
        limit: int | None = None,
        offset: int | None = None,
        fields: Sequence[str] | None = None,
        search_filters: Mapping[str, Any] | None = None,
        get_remaining: bool = False,  # noqa: FBT001, FBT002
    ) -> list[DicomJson]:
        """Instances, as `search_for_studies`."""
        arguments = (fuzzymatching, limit, offset, fields, search_filters, get_remaining)
        return self._search(Level.INSTANCE, (study_instance_uid, series_instance_uid), *arguments)

    # Retrieve

    def retrieve_bulkdata(
        self, url: str, media_types: MediaTypes | None = None, byte_range: tuple[int, int] | None = None
    ) -> list[bytes]:
        """What a BulkDataURI names: of the client whose metadata it is from, or of another that has the instance."""
        return list(self.iter_bulkdata(url, media_types, byte_range))

    def iter_bulkdata(
        self, url: str, media_types: MediaTypes | None = None, byte_range: tuple[int, int] | None = None
    ) -> Iterator[bytes]:
        """As `retrieve_bulkdata`, one after the other."""

        def of_owner(client: DICOMClient) -> Iterator[bytes]:
            if not _base_of(client, url):
                raise NotFoundError("that is a URL of another client", url)
            return begun(client.iter_bulkdata(url, media_types, byte_range))  # type: ignore[arg-type]

        def of_another(client: DICOMClient) -> Iterator[bytes]:
            base = next(filter(None, (_base_of(one, url) for one in self.clients)), None)
            if base is None or _base_of(client, url):
                raise NotFoundError("there is no such bulk data", url)
            own_url = client.base_url + url.removeprefix(base)
            return begun(client.iter_bulkdata(own_url, media_types, byte_range))  # type: ignore[arg-type]

        try:
            return self._sources.first(of_owner)
        except (requests.RequestException, OSError) as error:
            try:
                return self._sources.first(of_another)
            except (requests.RequestException, OSError):
                raise error from None

    def retrieve_study(self, study_instance_uid: str, media_types: MediaTypes | None = None) -> list[Dataset]:
        """All instances of a study."""
        return list(self.iter_study(study_instance_uid, media_types))

    def iter_study(self, study_instance_uid: str, media_types: MediaTypes | None = None) -> Iterator[Dataset]:
        """As `retrieve_study`, one after the other."""
        return self._instances.of_all("iter_study", (study_instance_uid,), media_types)

    def retrieve_study_metadata(self, study_instance_uid: str) -> list[DicomJson]:
        """The metadata of all instances of a study, in DICOM JSON."""
        return self._metadata("retrieve_study_metadata", study_instance_uid)

    def retrieve_series(
        self, study_instance_uid: str, series_instance_uid: str, media_types: MediaTypes | None = None
    ) -> list[Dataset]:
        """All instances of a series."""
        return list(self.iter_series(study_instance_uid, series_instance_uid, media_types))

    def iter_series(
        self, study_instance_uid: str, series_instance_uid: str, media_types: MediaTypes | None = None
    ) -> Iterator[Dataset]:
        """As `retrieve_series`, one after the other."""
        return self._instances.of_all("iter_series", (study_instance_uid, series_instance_uid), media_types)

    def retrieve_series_metadata(self, study_instance_uid: str, series_instance_uid: str) -> list[DicomJson]:
        """The metadata of all instances of a series, in DICOM JSON."""
        return self._metadata("retrieve_series_metadata", study_instance_uid, series_instance_uid)

    def retrieve_series_rendered(
        self,
        study_instance_uid: str,
        series_instance_uid: str,
        media_types: MediaTypes | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> bytes:
        """A picture of a series."""
        uids = (study_instance_uid, series_instance_uid)
        answer: bytes = self._first("retrieve_series_rendered", *uids, media_types=media_types, params=params)
        return answer

    def retrieve_instance(
        self,
        study_instance_uid: str,
        series_instance_uid: str,
        sop_instance_uid: str,
        media_types: MediaTypes | None = None,
    ) -> Dataset:
        """One instance."""
        uids = (study_instance_uid, series_instance_uid, sop_instance_uid)
        return self._instances.instance(uids, media_types)

    def retrieve_instance_metadata(
        self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str
    ) -> DicomJson:
        """The metadata of an instance, in DICOM JSON."""
        uids = (study_instance_uid, series_instance_uid, sop_instance_uid)
        answer: DicomJson = self._first("retrieve_instance_metadata", *uids)
        return answer

    def retrieve_instance_rendered(
        self,
        study_instance_uid: str,
        series_instance_uid: str,
        sop_instance_uid: str,
        media_types: MediaTypes | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> bytes:
        """An instance as a picture."""
        uids = (study_instance_uid, series_instance_uid, sop_instance_uid)
        answer: bytes = self._first("retrieve_instance_rendered", *uids, media_types=media_types, params=params)
        return answer

    def retrieve_instance_frames(
        self,
        study_instance_uid: str,
        series_instance_uid: str,
        sop_instance_uid: str,
        frame_numbers: Sequence[int],
        media_types: MediaTypes | None = None,
    ) -> list[bytes]:
        """Frames, numbered from 1."""
        uids = (study_instance_uid, series_instance_uid, sop_instance_uid)
        answer: list[bytes] = self._first("retrieve_instance_frames", *uids, frame_numbers, media_types)
        return answer

    def iter_instance_frames(
        self,
        study_instance_uid: str,
        series_instance_uid: str,
        sop_instance_uid: str,
        frame_numbers: Sequence[int],
        media_types: MediaTypes | None = None,
    ) -> Iterator[bytes]:
        """As `retrieve_instance_frames`, one after the other."""
        arguments = (study_instance_uid, series_instance_uid, sop_instance_uid, frame_numbers, media_types)
        return self._sources.first(lambda client: begun(client.iter_instance_frames(*arguments)))  # type: ignore[arg-type]

    def retrieve_instance_frames_rendered(
        self,
        study_instance_uid: str,
        series_instance_uid: str,
        sop_instance_uid: str,
        frame_numbers: Sequence[int],
        media_types: MediaTypes | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Frames as pictures."""
        arguments = (study_instance_uid, series_instance_uid, sop_instance_uid, frame_numbers, media_types, params)
        answer: bytes = self._first("retrieve_instance_frames_rendered", *arguments)
        return answer

    # Store and delete

    def store_instances(self, datasets: Sequence[Dataset], study_instance_uid: str | None = None) -> Dataset:
        """Store instances in the first client that is not read-only."""
        error: Exception = NotFoundError("there is no client to store in")
        for client in self.clients:
            try:
                return client.store_instances(datasets, study_instance_uid)
            except requests.HTTPError as refusal:
                error = refusal
                if refusal.response is None or refusal.response.status_code != _FORBIDDEN:
                    raise
        raise error

    def delete_study(self, study_instance_uid: str) -> None:
        """Delete a study from all clients that have it. Raises the error of one that cannot."""
        self._delete("delete_study", study_instance_uid)

    def delete_series(self, study_instance_uid: str, series_instance_uid: str) -> None:
        """Delete a series, as `delete_study`."""
        self._delete("delete_series", study_instance_uid, series_instance_uid)

    def delete_instance(self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str) -> None:
        """Delete an instance, as `delete_study`."""
        self._delete("delete_instance", study_instance_uid, series_instance_uid, sop_instance_uid)

    def _search(
        self,
        level: Level,
        below: tuple[str | None, ...],
        fuzzymatching: bool | None,  # noqa: FBT001
        limit: int | None,
        offset: int | None,
        fields: Sequence[str] | None,
        search_filters: Mapping[str, Any] | None,
        get_remaining: bool,  # noqa: FBT001
    ) -> list[DicomJson]:
        def ask(client: DICOMClient, most: int | None, start: int | None, *, remaining: bool) -> list[DicomJson]:
            method = getattr(client, _SEARCHES[level])
            found: list[DicomJson] = method(*below, fuzzymatching, most, start, fields, search_filters, remaining)
            return found

        if not self._merges:
            for client, page in self._sources.answers(lambda one: ask(one, limit, offset, remaining=get_remaining)):
                if page or (offset and ask(client, 1, None, remaining=False)):
                    return page
            return []
        wanted = None if get_remaining else limit
        # What the first clients find may be found by the later ones, too, and pushes new results behind it.
        most = {one: None if wanted is None else ((offset or 0) + wanted) * position
                for position, one in enumerate(map(id, self.clients), 1)}  # fmt: skip
        remaining = get_remaining or (wanted is None and bool(offset))
        answers = self._sources.all(lambda client: ask(client, most[id(client)], None, remaining=remaining))
        return merged((found for _, found in answers), level, offset or 0, wanted)

    def _metadata(self, method: str, *uids: str) -> list[DicomJson]:
        if not self._merges:
            return self._sources.first(lambda client: some(getattr(client, method)(*uids)))
        seen: set[tuple[str, ...]] = set()
        answers = self._sources.all(lambda client: some(getattr(client, method)(*uids)))
        return [one for _, found in answers for one in without_known(found, seen)]

    def _first(self, method: str, *arguments: Any, **named: Any) -> Any:
        return self._sources.first(lambda client: getattr(client, method)(*arguments, **named))

    def _delete(self, method: str, *uids: str) -> None:
        done, errors = False, list[Exception]()
        for client in self.clients:
            try:
                getattr(client, method)(*uids)
                done = True
            except (requests.RequestException, OSError) as error:
                errors.append(error)
        if errors and not (done and is_absence(most_telling(errors))):
            raise most_telling(errors)


def _base_of(client: DICOMClient, url: str) -> str:
    """The base of `url`, if it is that of the client, or of one that it consists of; else ""."""
    clients = getattr(client, "clients", None)
    if clients is not None:
        return next(filter(None, (_base_of(one, url) for one in clients)), "")
    return client.base_url if url.startswith(f"{client.base_url}/") else ""
