"""Opens stored instances as files in another transfer syntax.

Orthanc's transcoders need the whole instance in memory, several times over, and their decoders can end the server.
"""

from __future__ import annotations

from contextlib import ExitStack

from framecache.codecs.transcoded_file import FileCodecs, TranscodedFile, convert_file, transcode_file
from framecache.dicom.byte_reader import ByteReader
from framecache.instances.entry import Entry
from framecache.instances.frame_sources import FrameSources


class FileTranscoder:
    """Makes them."""

    def __init__(self, sources: FrameSources, codecs: FileCodecs) -> None:
        self._sources, self._codecs = sources, codecs

    def open(self, entry: Entry, target: str, opened: ExitStack) -> TranscodedFile:
        """`entry` in the transfer syntax `target`, its first frame made; what it reads from is closed with `opened`.

        Raises Unwritable where it cannot be had so, CodecError, HandOver, SourceError (UnreadableHeader where there is
        no pixel data), Overloaded.
        """
        source = opened.enter_context(self._sources.open(entry, whole=True))
        instance = entry.instance
        return transcode_file(source, instance.transfer_syntax_uid, instance.pixel_data_offset, target, self._codecs)

    def convert(self, target: str, stored: ByteReader) -> bytes:
        """The file that `stored` reads in the transfer syntax `target`, where there is nothing to decode or encode.

        Raises Unwritable where it is too large, CodecError, Overloaded.
        """
        return convert_file(stored, target, self._codecs)
