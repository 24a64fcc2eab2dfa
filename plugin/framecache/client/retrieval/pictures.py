"""Retrieve Rendered (PS3.18 sections 10.4.1.1.3 and 8.7.4): frames, instances and series as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from framecache.client.collection import StoredInstance
from framecache.client.retrieval.frames import check_exist
from framecache.client.retrieval.opening import Opener
from framecache.codecs.direct_codecs import DirectCodecs
from framecache.dicom.frame_source import read_frame
from framecache.dicom.identity import InstancePath
from framecache.dicom.transfer_syntax import Encoding, lookup
from framecache.dicomweb.multipart import Multipart
from framecache.dicomweb.rendering_parameters import MEDIA_TYPES, RenderingParameters, parse_rendering
from framecache.errors import NoPixelData, NotAcceptable, NotFound


class PictureRetrieval:
    """Renders frames, by the code that the plugin renders with."""

    def __init__(self, opener: Opener, codecs: DirectCodecs, base_url: str) -> None:
        self._opener, self._codecs, self._base_url = opener, codecs, base_url

    def picture(
        self, path: InstancePath, numbers: Sequence[int], arguments: Mapping[str, str], accept: str | None
    ) -> bytes:
        """One picture; of several frames, the body of a multipart/related answer with a picture for each.

        `arguments` are `window`, `viewport` and `quality` as in a URL. Raises BadRequest, NotFound, NotAcceptable,
        CodecError, SourceError.
        """
        parameters = parse_rendering(arguments, accept, several=len(numbers) > 1)
        return self._opener.with_instance(path, lambda instance: self._picture(instance, numbers, parameters))

    def series_picture(
        self, study_instance_uid: str, series_instance_uid: str, arguments: Mapping[str, str], accept: str | None
    ) -> bytes:
        """The first frame of the first instance that has any, as the plugin has it."""
        parameters = parse_rendering(arguments, accept)
        error: Exception = NotFound("there is no such series")
        for instance in self._opener.collection.find(study_instance_uid, series_instance_uid):
            try:
                return self._picture(instance, [1], parameters)
            except (NoPixelData, NotAcceptable) as one:
                error = one
        raise error

    def _picture(self, instance: StoredInstance, numbers: Sequence[int], parameters: RenderingParameters) -> bytes:
        if lookup(instance.transfer_syntax_uid).encoding is Encoding.VIDEO:
            raise NotAcceptable("a video is not rendered as pictures", MEDIA_TYPES)
        with self._opener.frames(instance, numbers, header=True) as source:
            check_exist(source, numbers)
            header, message = source.header(), parameters.to_message()
            pictures = [self._codecs.render(header, read_frame(source, number), number, message) for number in numbers]
        return pictures[0] if len(numbers) == 1 else self._joined(instance, numbers, pictures, parameters.media_type)

    def _joined(
        self, instance: StoredInstance, numbers: Sequence[int], pictures: Sequence[bytes], media_type: str
    ) -> bytes:
        multipart = Multipart(media_type, instance.version)
        body = bytearray()
        for number, picture in zip(numbers, pictures, strict=True):
            location = f"{self._base_url}/{instance.path}/frames/{number}/rendered"
            body += multipart.header(location, len(picture), first=not body) + picture
        return bytes(body + multipart.closing)
