"""Stored files in a bucket of a real S3 server, as bare objects and as an archive, for the clients in Python."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import obstore
from framecache.client import DICOMs3Client
from framecache.dicom.byte_reader import FileReader
from framecache.dicom.frame_table import Extent, Extents
from framecache.dicom.pixel_data import locate_frames
from framecache.tree.source import Source
from framecache.tree.tree import Tree
from obstore.store import S3Store
from pydicom import dcmread

from bench.subject import ARCHIVE_CLIENT, Subject
from dev.s3 import S3Server

BUCKET, KEY = "images", "any/name"


class ObjectsLab:
    """Use as a context manager; `files` are put there before the first measurement, one of each data set."""

    def __init__(self, folder: Path, files: Mapping[str, Path]) -> None:
        self._folder, self._files = folder, files
        self._stack = ExitStack()

    def __enter__(self) -> ObjectsLab:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self._server = self._stack.enter_context(S3Server(self._folder / "s3"))
        self._server.make_bucket(BUCKET)
        for data_set, file in self._files.items():
            obstore.put(self.store(data_set), KEY, file)
            with Tree.open(f"s3://{BUCKET}/archive-{data_set}", options=self._server.settings) as tree:
                if len(list(tree.add([Source.file(file)]))) != 1:
                    raise OSError("the file was not added to the archive")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def store(self, data_set: str) -> S3Store:
        """Where the bare object is."""
        return self._server.store(BUCKET, f"objects-{data_set}")

    def client(self, subject: Subject, data_set: str) -> DICOMs3Client:
        """A client whose index is on disk since its first use."""
        kind = "archive" if subject is ARCHIVE_CLIENT else "objects"
        url = f"s3://{BUCKET}/{kind}-{data_set}"
        return DICOMs3Client(url, db_dir=self._folder / "indexes", options=self._server.settings)

    def frames(self, data_set: str) -> tuple[tuple[str, str, str], list[Extent]]:
        """The UIDs of the instance, and where its frames are in the object."""
        file = self._files[data_set]
        header = dcmread(file, stop_before_pixels=True)
        with FileReader(file) as reader:
            table = locate_frames(reader, header.file_meta.TransferSyntaxUID, None)
            places = [table.place(index, reader) for index in range(table.number_of_frames)]
        runs = [place.runs[0] for place in places if isinstance(place, Extents)]
        return (header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID), runs
