"""DICOMClient (dicomweb-client's protocol) over any collection: what all clients but that of the web have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from framecache.client.arguments import checked
from framecache.client.collection import Collection, DicomJson
from framecache.client.errors import as_client_errors
from framecache.client.retrieval import frames, instances
from framecache.client.retrieval.frames import FrameRetrieval
from framecache.client.retrieval.instances import InstanceRetrieval
from framecache.client.retrieval.media_types import MediaTypes, accept_files, accept_parts, accept_single, arguments_of
from framecache.client.retrieval.metadata import MetadataRetrieval
from framecache.client.retrieval.opening import Opener
from framecache.client.retrieval.pictures import PictureRetrieval
from framecache.client.searching import Searching
from framecache.client.storing import encoded, store_response
from framecache.closing import Closing
from framecache.codecs.direct_codecs import DirectCodecs
from framecache.dicom.identity import InstancePath
from framecache.dicomweb.attributes import Level
from framecache.errors import NotFound

if TYPE_CHECKING:
    from pydicom import Dataset

BULK_DATA_THRESHOLD = 1024  # bytes
_Result = TypeVar("_Result")


@checked
class CollectionClient(Closing):
    """A DICOMClient: 22 methods and 8 attributes, whose semantics are those of dicomweb-client's protocol and PS3.18.

    Its methods may be called from many threads at once. It pickles, and closes at the end of a `with` statement. What
    goes wrong raises ClientError (framecache.client.errors).
    """

    base_url: str
    scheme: str
    protocol: str | None = None
    url_prefix: str
    qido_url_prefix: str | None = None
    wado_url_prefix: str | None = None
    stow_url_prefix: str | None = None
    delete_url_prefix: str | None = None

    def __init__(
        self,
        base_url: str,
        collection: Collection,
        *,
        bulk_data_threshold: int = BULK_DATA_THRESHOLD,
        opener: Opener | None = None,
        metadata: MetadataRetrieval | None = None,
    ) -> None:
        """Binary values of more than `bulk_data_threshold` bytes are left out of metadata, with a BulkDataURI.

        `opener` and `metadata` are for collections that know more than their files do.
        """
        self.base_url = base_url.rstrip("/")
        self.scheme, _, rest = self.base_url.partition("://")
        self.url_prefix = "/" + rest.partition("/")[2]
        self._collection = collection
        opener, codecs = opener or Opener(collection), DirectCodecs()
        self._frames = FrameRetrieval(opener, codecs)
        self._instances = InstanceRetrieval(opener, codecs)
        self._pictures = PictureRetrieval(opener, codecs, self.base_url)
        self._metadata = metadata or MetadataRetrieval(opener, self.base_url, bulk_data_threshold)
        self._searching = Searching(collection, self._metadata, self.base_url)

    def close(self) -> None:
        """Release files and connections. Closing again does nothing."""
        self._collection.close()

    # Search (PS3.18 section 10.6)

    def search_for_studies(
        self,
        fuzzymatching: bool | None = None,  # noqa: FBT001 - dicomweb-client's
        limit: int | None = None,
        offset: int | None = None,
        fields: Sequence[str] | None = None,
        search_filters: Mapping[str, Any] | None = None,
        get_remaining: bool = False,  # noqa: FBT001, FBT002
    ) -> list[DicomJson]:
        """Studies in DICOM JSON, each with the attributes of PS3.18 table 10.6.3-3.

        `search_filters` are attributes by keyword or tag with the value to match, as in a URL: wildcards, ranges and
        lists are those of PS3.18 section 8.3.4. `fields` are more attributes to return. `get_remaining` is for all
        results behind `offset`, whatever `limit` says. Raises InvalidRequestError for an attribute that cannot be
        searched.
        """
        return self._search(Level.STUDY, {}, fuzzymatching, limit, offset, fields, search_filters, get_remaining)

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
        """Series, of one study or of all; as `search_for_studies`."""
        below = {"study_instance_uid": study_instance_uid}
        return self._search(Level.SERIES, below, fuzzymatching, limit, offset, fields, search_filters, get_remaining)

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
        """Instances, of one series, of one study or of all; as `search_for_studies`."""
        below = {"study_instance_uid": study_instance_uid, "series_instance_uid": series_instance_uid}
        return self._search(Level.INSTANCE, below, fuzzymatching, limit, offset, fields, search_filters, get_remaining)

    # Retrieve (PS3.18 section 10.4)

    def retrieve_bulkdata(
        self, url: str, media_types: MediaTypes | None = None, byte_range: tuple[int, int] | None = None
    ) -> list[bytes]:
        """What a BulkDataURI of this client's metadata names, as one item; of compressed pixel data one for each frame.

        `byte_range` is the first and the last byte, counted from 0.
        """
        return list(self.iter_bulkdata(url, media_types, byte_range))

    def iter_bulkdata(
        self, url: str, media_types: MediaTypes | None = None, byte_range: tuple[int, int] | None = None
    ) -> Iterator[bytes]:
        """As `retrieve_bulkdata`, one after the other."""
        with as_client_errors(url):
            del media_types  # bulk data is sent as it lies
            return self._metadata.bulk_data(url, byte_range)

    def retrieve_study(self, study_instance_uid: str, media_types: MediaTypes | None = None) -> list[Dataset]:
        """All instances of a study, in Explicit VR Little Endian where that can be had, else as stored.

        `(("application/dicom", "*"),)` is as stored; another transfer syntax in the place of `*` is made if need be.
        """
        return list(self.iter_study(study_instance_uid, media_types))

    def iter_study(self, study_instance_uid: str, media_types: MediaTypes | None = None) -> Iterator[Dataset]:
        """As `retrieve_study`, one after the other: one is in memory at a time."""
        url = self._url(study_instance_uid)
        return self._each(url, lambda: self._whole(study_instance_uid, None, media_types))

    def retrieve_study_metadata(self, study_instance_uid: str) -> list[DicomJson]:
        """All attributes of all instances of a study but their pixel data, in DICOM JSON."""
        return list(
            self._each(self._url(study_instance_uid, "metadata"), lambda: self._metadata.instances(study_instance_uid))
        )

    def retrieve_series(
        self, study_instance_uid: str, series_instance_uid: str, media_types: MediaTypes | None = None
    ) -> list[Dataset]:
        """All instances of a series, as `retrieve_study`."""
        return list(self.iter_series(study_instance_uid, series_instance_uid, media_types))

    def iter_series(
        self, study_instance_uid: str, series_instance_uid: str, media_types: MediaTypes | None = None
    ) -> Iterator[Dataset]:
        """As `retrieve_series`, one after the other."""
        url = self._url(study_instance_uid, series_instance_uid)
        return self._each(url, lambda: self._whole(study_instance_uid, series_instance_uid, media_types))

    def retrieve_series_metadata(self, study_instance_uid: str, series_instance_uid: str) -> list[DicomJson]:
        """As `retrieve_study_metadata`, of one series."""
        url = self._url(study_instance_uid, series_instance_uid, "metadata")
        return list(self._each(url, lambda: self._metadata.instances(study_instance_uid, series_instance_uid)))

    def retrieve_series_rendered(
        self,
        study_instance_uid: str,
        series_instance_uid: str,
        media_types: MediaTypes | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The first frame of the first image of a series, as a JPEG or PNG; as `retrieve_instance_rendered`."""
        with as_client_errors(self._url(study_instance_uid, series_instance_uid, "rendered")):
            arguments = arguments_of(params)
            accept = accept_single(media_types)
            return self._pictures.series_picture(study_instance_uid, series_instance_uid, arguments, accept)

    def retrieve_instance(
        self,
        study_instance_uid: str,
        series_instance_uid: str,
        sop_instance_uid: str,
        media_types: MediaTypes | None = None,
    ) -> Dataset:
        """One instance, as stored unless `media_types` says something else."""
        path = self._path(study_instance_uid, series_instance_uid, sop_instance_uid)
        with as_client_errors(f"{self.base_url}/{path}"):
            return self._instances.instance(path, accept_files(media_types, instances.AS_STORED))

    def retrieve_instance_metadata(
        self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str
    ) -> DicomJson:
        """All attributes of an instance but its pixel data, in DICOM JSON."""
        path = self._path(study_instance_uid, series_instance_uid, sop_instance_uid)
        with as_client_errors(f"{self.base_url}/{path}/metadata"):
            return self._metadata.instance(path)

    def retrieve_instance_rendered(
        self,
        study_instance_uid: str,
        series_instance_uid: str,
        sop_instance_uid: str,
        media_types: MediaTypes | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The first frame of an instance as a JPEG, or as a PNG if `media_types` says so.

        `params` are `window` ("center,width,function"), `viewport` ("width,height" or with a region) and `quality`
        (1 to 100), as of PS3.18 section 8.3.5.
        """
        return self.retrieve_instance_frames_rendered(
            study_instance_uid, series_instance_uid, sop_instance_uid, [1], media_types, params
        )

    def retrieve_instance_frames(
        self,
        study_instance_uid: str,
        series_instance_uid: str,
        sop_instance_uid: str,
        frame_numbers: Sequence[int],
        media_types: MediaTypes | None = None,
    ) -> list[bytes]:
        """Frames, numbered from 1, in the order asked for, in Explicit VR Little Endian.

        `(("application/octet-stream", "*"),)` is as stored; `(("image/jp2", "1.2.840.10008.1.2.4.90"),)` is made if it
        is not stored. Raises InvalidRequestError for frame 0, NotFoundError past the last frame.
        """
        path = (study_instance_uid, series_instance_uid, sop_instance_uid)
        return list(self.iter_instance_frames(*path, frame_numbers, media_types))

    def iter_instance_frames(
        self,
        study_instance_uid: str,
        series_instance_uid: str,
        sop_instance_uid: str,
        frame_numbers: Sequence[int],
        media_types: MediaTypes | None = None,
    ) -> Iterator[bytes]:
        """As `retrieve_instance_frames`, one after the other."""
        path = self._path(study_instance_uid, series_instance_uid, sop_instance_uid)
        url = f"{self.base_url}/{path}/frames"

        def begin() -> Iterator[bytes]:
            accept = accept_parts(media_types, frames.DEFAULT_ACCEPT)
            return (frame.content for frame in self._frames.frames(path, frame_numbers, accept))

        return self._each(url, begin)

    def retrieve_instance_frames_rendered(
        self,
        study_instance_uid: str,
        series_instance_uid: str,
        sop_instance_uid: str,
        frame_numbers: Sequence[int],
        media_types: MediaTypes | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> bytes:
        """A frame as a picture, as `retrieve_instance_rendered`; several are the parts of a multipart body."""
        path = self._path(study_instance_uid, series_instance_uid, sop_instance_uid)
        with as_client_errors(f"{self.base_url}/{path}/rendered"):
            arguments, accept = arguments_of(params), accept_single(media_types)
            return self._pictures.picture(path, frame_numbers, arguments, accept)

    # Store (PS3.18 section 10.5) and delete

    def store_instances(self, datasets: Sequence[Dataset], study_instance_uid: str | None = None) -> Dataset:
        """Store instances, each as a whole or not at all; one that is stored already is replaced.

        Returns the Store Instances Response Module (PS3.18 annex I.2). Raises ConflictError where none was stored,
        ForbiddenError.
        """
        with as_client_errors(f"{self.base_url}/studies"):
            files, refused = encoded(datasets, study_instance_uid)
            outcomes = self._collection.add(iter(files)) if files else []
            return store_response([*outcomes, *refused], self.base_url)

    def delete_study(self, study_instance_uid: str) -> None:
        """Delete all instances of a study. Raises NotFoundError, ForbiddenError."""
        self._delete(study_instance_uid)

    def delete_series(self, study_instance_uid: str, series_instance_uid: str) -> None:
        """Delete all instances of a series. Raises NotFoundError, ForbiddenError."""
        self._delete(study_instance_uid, series_instance_uid)

    def delete_instance(self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str) -> None:
        """Delete an instance. Raises NotFoundError, ForbiddenError."""
        self._delete(study_instance_uid, series_instance_uid, sop_instance_uid)

    def _search(
        self,
        level: Level,
        below: Mapping[str, str | None],
        fuzzymatching: bool | None,  # noqa: FBT001
        limit: int | None,
        offset: int | None,
        fields: Sequence[str] | None,
        search_filters: Mapping[str, Any] | None,
        get_remaining: bool,  # noqa: FBT001
    ) -> list[DicomJson]:
        parameters: dict[str, Any] = {**(search_filters or {}), "includefield": fields or ()}
        paging = {"fuzzymatching": fuzzymatching, "limit": None if get_remaining else limit, "offset": offset}
        parameters |= {name: value for name, value in paging.items() if value is not None}
        with as_client_errors(f"{self.base_url}/{('studies', 'series', 'instances')[level]}"):
            return self._searching.search(level, parameters, **below)

    def _whole(self, study: str, series: str | None, media_types: MediaTypes | None) -> Iterator[Dataset]:
        return self._instances.instances(study, series, accept_files(media_types, instances.DEFAULT_ACCEPT))

    def _each(self, url: str, begin: Callable[[], Iterator[_Result]]) -> Iterator[_Result]:
        """What `begin` yields. What is wrong with the call is raised before the first is asked for."""
        with as_client_errors(url):
            begun = begin()
        return _with_client_errors(url, begun)

    def _delete(self, *uids: str) -> None:
        with as_client_errors(self._url(*uids)):
            found = list(self._collection.find(*uids))
            if not found:
                raise NotFound("there is nothing to delete")
            self._collection.remove(found)

    def _path(self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str) -> InstancePath:
        with as_client_errors(self.base_url):
            return InstancePath(study_instance_uid, series_instance_uid, sop_instance_uid)

    def _url(self, *parts: str) -> str:
        names = ("studies", "series", "instances")
        uids = [part for part in parts if part not in ("metadata", "rendered")]
        path = "/".join(f"{name}/{uid}" for name, uid in zip(names, uids, strict=False))
        return "/".join([self.base_url, path, *(part for part in parts if part not in uids)])


def _with_client_errors(url: str, begun: Iterable[_Result]) -> Iterator[_Result]:
    with as_client_errors(url):
        yield from begun
