"""The retrieve transactions that are ours, each with its URI template and the stock plugin's spelling of the same.

The stock plugin reads `01` as 1, which our patterns do not match: that is the way to it (PS3.18 table 10.4.1-1).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote

from framecache.dicom.identity import InstancePath
from framecache.dicomweb import url
from framecache.dicomweb.negotiation import asks_as_stored
from framecache.errors import BadRequest
from framecache.instances.catalogue import Catalogue
from framecache.serving.answer import Answer
from framecache.serving.instance_retrieval import InstanceRequest, InstanceRetrieval
from framecache.serving.metadata_retrieval import MetadataRequest, MetadataRetrieval
from framecache.serving.rendering import PictureRequest, Rendering
from framecache.serving.retrieval import FrameRequest, Retrieval
from framecache.serving.study_retrieval import StudyRequest, StudyRetrieval

SERIES = "studies/([^/]+)/series/([^/]+)"
INSTANCE = f"{SERIES}/instances/([^/]+)"
FRAMES = "([1-9][0-9,]*)"
PICTURE = "(rendered|thumbnail)"


@dataclass(slots=True)
class HttpRequest:
    """A GET; `groups` are what the pattern matched, `arguments` those of the query as Orthanc hands them over."""

    groups: Sequence[str]
    arguments: Mapping[str, str]
    headers: Mapping[str, str]


class Transaction(Protocol):
    """One kind of request."""

    @property
    def pattern(self) -> str:
        """The regular expression of its path below the DICOMweb root."""

    def answer(self, request: HttpRequest) -> Answer:
        """The answer, lent. Raises FrameCacheError."""

    def stock_location(self, request: HttpRequest) -> str | None:
        """Where the stock plugin has the same, relative to the request; None where it has it nowhere, or wrong."""

    def is_sent_as_stored(self, request: HttpRequest) -> bool:
        """Whether the stock plugin decodes nothing to answer the same."""


class FrameList:
    """GET …/frames/{list}."""

    pattern = f"{INSTANCE}/frames/{FRAMES}"

    def __init__(self, retrieval: Retrieval) -> None:
        self._retrieval = retrieval
        # A scroll asks for one frame after the other of the same instance.
        self._path = lru_cache(4096)(InstancePath)

    def answer(self, request: HttpRequest) -> Answer:
        study, series, instance, frame_list = request.groups
        return self._retrieval.answer(_frames(self._path(study, series, instance), frame_list, request))

    def stock_location(self, request: HttpRequest) -> str | None:
        return f"0{request.groups[3]}"

    def is_sent_as_stored(self, request: HttpRequest) -> bool:
        with contextlib.suppress(BadRequest):
            return asks_as_stored(_accept(request))
        return False


class AllFrames:
    """GET …/frames."""

    pattern = f"{INSTANCE}/frames"

    def __init__(self, retrieval: Retrieval) -> None:
        self._retrieval = retrieval

    def answer(self, request: HttpRequest) -> Answer:
        study, series, instance = request.groups
        return self._retrieval.answer(_frames(InstancePath(study, series, instance), "", request))

    def stock_location(self, _request: HttpRequest) -> str | None:
        """The stock plugin's answer to …/frames lacks frame 1 and breaks off."""
        return None

    def is_sent_as_stored(self, _request: HttpRequest) -> bool:
        return False


class _PictureOfOne:
    """What all transactions of a picture have in common."""

    def is_sent_as_stored(self, _request: HttpRequest) -> bool:
        """A picture is drawn of decoded pixels."""
        return False


class FramePicture(_PictureOfOne):
    """GET …/frames/{list}/rendered and …/thumbnail."""

    pattern = f"{INSTANCE}/frames/{FRAMES}/{PICTURE}"

    def __init__(self, rendering: Rendering) -> None:
        self._rendering = rendering

    def answer(self, request: HttpRequest) -> Answer:
        study, series, instance, frame_list, _ = request.groups
        return self._rendering.answer(_picture(InstancePath(study, series, instance), frame_list, request))

    def stock_location(self, request: HttpRequest) -> str | None:
        """The stock plugin draws one frame at a time."""
        return None if "," in request.groups[3] else f"../0{request.groups[3]}/rendered"


class InstancePicture(_PictureOfOne):
    """GET …/instances/{uid}/rendered and …/thumbnail: the first frame, as the stock plugin has it."""

    pattern = f"{INSTANCE}/{PICTURE}"

    def __init__(self, rendering: Rendering) -> None:
        self._rendering = rendering

    def answer(self, request: HttpRequest) -> Answer:
        study, series, instance, _ = request.groups
        return self._rendering.answer(_picture(InstancePath(study, series, instance), "1", request))

    def stock_location(self, _request: HttpRequest) -> str | None:
        return "frames/01/rendered"


class SeriesPicture(_PictureOfOne):
    """GET …/series/{uid}/rendered and …/thumbnail: the first frame of one instance, as the stock plugin has it."""

    pattern = f"{SERIES}/{PICTURE}"

    def __init__(self, rendering: Rendering, catalogue: Catalogue) -> None:
        self._rendering, self._catalogue = rendering, catalogue

    def answer(self, request: HttpRequest) -> Answer:
        return self._rendering.answer(_picture(self._first(request), "1", request))

    def stock_location(self, request: HttpRequest) -> str | None:
        return f"instances/{quote(self._first(request).sop_instance_uid)}/frames/01/rendered"

    def _first(self, request: HttpRequest) -> InstancePath:
        study, series, _ = request.groups
        return self._catalogue.first_instance(study, series)


class WholeInstance:
    """GET …/instances/{uid}: the file."""

    pattern = INSTANCE

    def __init__(self, retrieval: InstanceRetrieval) -> None:
        self._retrieval = retrieval

    def answer(self, request: HttpRequest) -> Answer:
        study, series, instance = request.groups
        return self._retrieval.answer(
            InstanceRequest(InstancePath(study, series, instance), request.headers, _accept_argument(request))
        )

    def stock_location(self, _request: HttpRequest) -> str | None:
        """The stock plugin has one spelling of it, and that is taken; Orthanc's core was asked already."""
        return None

    def is_sent_as_stored(self, _request: HttpRequest) -> bool:
        return False


class WholeStudy:
    """GET …/studies/{uid}: all files of a study.

    STOW-RS posts to the same URL. Orthanc gives a POST to the stock plugin's chunked callback before any of this kind.
    """

    pattern = "studies/([^/]+)"

    def __init__(self, retrieval: StudyRetrieval) -> None:
        self._retrieval = retrieval

    def answer(self, request: HttpRequest) -> Answer:
        study, *series = request.groups
        return self._retrieval.answer(
            StudyRequest(study, series[0] if series else None, request.headers, _accept_argument(request))
        )

    def stock_location(self, _request: HttpRequest) -> str | None:
        """The stock plugin has one spelling of it, and its decoders can end the server."""
        return None

    def is_sent_as_stored(self, _request: HttpRequest) -> bool:
        return False


class StudyMetadata:
    """GET …/studies/{uid}/metadata."""

    pattern = "studies/([^/]+)/metadata"

    def __init__(self, retrieval: MetadataRetrieval) -> None:
        self._retrieval = retrieval

    def answer(self, request: HttpRequest) -> Answer:
        study, series, instance = (*request.groups, None, None)[:3]
        return self._retrieval.answer(
            MetadataRequest(str(study), series, instance, request.headers, _accept_argument(request))
        )

    def stock_location(self, _request: HttpRequest) -> str | None:
        """The stock plugin has one spelling of it, and that is taken."""
        return None

    def is_sent_as_stored(self, _request: HttpRequest) -> bool:
        return False


class SeriesMetadata(StudyMetadata):
    """GET …/series/{uid}/metadata."""

    pattern = f"{SERIES}/metadata"


class InstanceMetadata(StudyMetadata):
    """GET …/instances/{uid}/metadata."""

    pattern = f"{INSTANCE}/metadata"


class WholeSeries(WholeStudy):
    """GET …/series/{uid}: all files of a series."""

    pattern = SERIES


def _frames(path: InstancePath, frame_list: str, request: HttpRequest) -> FrameRequest:
    return FrameRequest(path, frame_list, request.headers, _accept_argument(request))


def _accept_argument(request: HttpRequest) -> str | None:
    return url.decoded(request.arguments).get("accept") if request.arguments else None


def _accept(request: HttpRequest) -> str | None:
    """The parameter of the query goes first (PS3.18 section 8.3.3.1)."""
    return _accept_argument(request) or request.headers.get("accept")


def _picture(path: InstancePath, frame_list: str, request: HttpRequest) -> PictureRequest:
    view = request.groups[-1]
    return PictureRequest(path, frame_list, view, url.decoded(request.arguments), request.headers)
