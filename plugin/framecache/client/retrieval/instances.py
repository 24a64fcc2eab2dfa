"""Retrieve Instance, Series and Study (PS3.18 section 10.4.1.1): whole files, as data sets of pydicom."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from framecache.client.collection import StoredInstance
from framecache.client.retrieval.opening import Opener, ReaderStream
from framecache.codecs import targets
from framecache.codecs.direct_codecs import DirectCodecs
from framecache.codecs.process.errors import CodecError, Unwritable
from framecache.codecs.transcoded_file import convert_file, transcode_file
from framecache.dicom.identity import InstancePath
from framecache.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    Encoding,
    lookup,
)
from framecache.dicomweb.file_form import FileForm, choose_form, offers
from framecache.errors import HandOver, InstanceGone, NoPixelData, NotAcceptable, NotFound, SourceError

if TYPE_CHECKING:
    from pydicom import Dataset

AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
DEFAULT_ACCEPT = 'multipart/related; type="application/dicom"'  # Explicit VR Little Endian where that can be had
_CHUNK = 1 << 20
_NATIVE_ONLY = (EXPLICIT_VR_BIG_ENDIAN, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)


class InstanceRetrieval:
    """Retrieves whole instances."""

    def __init__(self, opener: Opener, codecs: DirectCodecs) -> None:
        self._opener, self._codecs = opener, codecs

    def instance(self, path: InstancePath, accept: str) -> Dataset:
        """One instance. Raises NotFound, NotAcceptable, CodecError, SourceError."""
        return self._opener.with_instance(path, lambda instance: self._data_set(instance, accept, several=False))

    def instances(self, study_instance_uid: str, series_instance_uid: str | None, accept: str) -> Iterator[Dataset]:
        """One after the other, without those that are deleted meanwhile. Raises NotFound where there are none."""
        found = self._opener.collection.find(study_instance_uid, series_instance_uid)
        first = next(found, None)
        if first is None:
            raise NotFound("there is no such study" if series_instance_uid is None else "there is no such series")
        return self._each(first, found, accept)

    def _each(self, first: StoredInstance, rest: Iterator[StoredInstance], accept: str) -> Iterator[Dataset]:
        instance: StoredInstance | None = first
        while instance is not None:
            with suppress(NotFound):
                yield self._current(instance, accept)
            instance = next(rest, None)

    def _current(self, instance: StoredInstance, accept: str) -> Dataset:
        try:
            return self._data_set(instance, accept, several=True)
        except InstanceGone:
            self._opener.collection.refresh(instance)
            return self._opener.with_instance(instance.path, lambda one: self._data_set(one, accept, several=True))

    def _data_set(self, instance: StoredInstance, accept: str, *, several: bool) -> Dataset:
        form = choose_form(accept, instance.transfer_syntax_uid, several=several)
        if form.transfer_syntax_uid == instance.transfer_syntax_uid:
            return self._stored(instance)
        try:
            return _parsed(io.BytesIO(self._transcoded(instance, form)))
        except InstanceGone:
            raise
        except (NotAcceptable, HandOver, CodecError, SourceError) as error:
            if form.is_default:
                return self._stored(instance)
            if isinstance(error, Unwritable | HandOver):
                raise _refusal(instance, str(error)) from error
            raise

    def _stored(self, instance: StoredInstance) -> Dataset:
        with self._opener.bytes(instance) as reader:
            return _parsed(io.BufferedReader(ReaderStream(reader), _CHUNK))

    def _transcoded(self, instance: StoredInstance, form: FileForm) -> bytes:
        """The whole file in another transfer syntax, as the plugin makes it."""
        stored, target = instance.transfer_syntax_uid, form.transfer_syntax_uid
        encoding = lookup(stored).encoding
        if encoding not in (Encoding.NATIVE, Encoding.ENCAPSULATED):
            raise _refusal(instance, "it is sent as it is stored only")
        if encoding is Encoding.NATIVE and target in _NATIVE_ONLY:
            return self._converted(instance, target)
        if target not in targets.ALL_TARGETS:
            raise _refusal(instance, "nobody here writes that transfer syntax")
        try:
            with self._opener.frames(instance) as source:
                file = transcode_file(source, stored, instance.pixel_data_offset, target, self._codecs)
                return b"".join(map(bytes, file.chunks(memoryview(bytearray(_CHUNK)))))
        except NoPixelData:
            return self._converted(instance, target)

    def _converted(self, instance: StoredInstance, target: str) -> bytes:
        with self._opener.bytes(instance) as reader:
            return convert_file(reader, target, self._codecs)


def _refusal(instance: StoredInstance, why: str) -> NotAcceptable:
    return NotAcceptable(f"not to be had in that transfer syntax: {why}", offers(instance.transfer_syntax_uid))


def _parsed(stream: io.BufferedIOBase) -> Dataset:
    """Raises SourceError."""
    from pydicom import dcmread  # noqa: PLC0415 - numpy comes with it

    try:
        return dcmread(stream)
    except SourceError:
        raise
    except Exception as error:  # pydicom raises what it meets; its message may hold values
        raise SourceError(f"pydicom cannot read the file ({type(error).__name__})") from error
