"""Every kind of file in every form that the stock plugin knows: Orthanc answers each request, and goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.integration.archive import Archive, Endings, running
from tests.integration.kinds import EXPLICIT, IMPLICIT, Kind, kinds

pytestmark = [pytest.mark.orthanc, pytest.mark.slow]

_CLIENTS = 4
_OF_MEDIA_TYPES = {
    "application/octet-stream": (EXPLICIT, IMPLICIT),
    "image/dicom-rle": ("1.2.840.10008.1.2.5",),
    "image/jpeg": tuple(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 53, 57, 70)),
    "image/jls": tuple(f"1.2.840.10008.1.2.4.{n}" for n in (80, 81)),
    "image/jp2": tuple(f"1.2.840.10008.1.2.4.{n}" for n in (90, 91)),
    "image/jpx": tuple(f"1.2.840.10008.1.2.4.{n}" for n in (92, 93)),
    "image/jphc": ("1.2.840.10008.1.2.4.201",),
}
_SYNTAXES = [syntax for syntaxes in _OF_MEDIA_TYPES.values() for syntax in syntaxes]
_OTHERS = ("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.100", "9.9", "*")
_FRAME_FORMS = [
    None,
    'multipart/related; type="application/octet-stream"; transfer-syntax=*',
    *(
        f'multipart/related; type="{media_type}"; transfer-syntax={syntax}'
        for media_type, syntaxes in _OF_MEDIA_TYPES.items()
        for syntax in syntaxes
    ),
]
_FILE_FORMS = [
    None,
    *(f'multipart/related; type="application/dicom"; transfer-syntax={one}' for one in (*_SYNTAXES, *_OTHERS)),
]
# Of the forms for several frames or files: each decoder and encoder ran already for one.
_SOME = slice(None, None, 4)

Request = tuple[str, str | None]
# Besides 200, and 406 with what there is: of frames and pictures of a document, and of pictures of floating point
# pixels, which nobody draws.
_REFUSED = {"report": (400, 404), "floating point": (500,)}
_FEWEST_ANSWERED = 0.75


def requests_for(kind: Kind) -> Iterator[Request]:
    """Path and Accept."""
    study, series, instance = kind.paths
    yield from ((f"{instance}/frames/1", accept) for accept in _FRAME_FORMS)
    yield from ((f"{instance}/frames/1,1", accept) for accept in _FRAME_FORMS[_SOME])
    yield from ((f"{instance}/frames", accept) for accept in _FRAME_FORMS[_SOME])
    yield from ((f"{instance}/frames/1/rendered", accept) for accept in ("image/jpeg", "image/png"))
    yield f"{instance}/frames/1/rendered?window=100,200,linear&viewport=20,20", "image/jpeg"
    yield from ((f"{path}/{what}", None) for path in (instance, series) for what in ("rendered", "thumbnail"))
    yield from ((instance, accept) for accept in _FILE_FORMS)
    yield from ((series, accept) for accept in _FILE_FORMS[_SOME])
    yield from ((study, accept) for accept in _FILE_FORMS[1:][_SOME])


@pytest.fixture(scope="module")
def eager(suite: str, folder: Path, endings: Endings) -> Iterator[Archive]:
    """An Orthanc that asks GDCM first, as it does by default."""
    configuration = {"BuiltinDecoderTranscoderOrder": "After"}
    with running(suite, folder / "eager", configuration, endings=endings) as archive:
        yield archive


def test_orthanc_answers_every_request_and_goes_on(eager: Archive) -> None:
    files = kinds()
    for kind in files:
        eager.upload(kind.content)
    pid = eager.server.pid
    asked = [(kind, request) for kind in files for request in requests_for(kind)]
    with ThreadPoolExecutor(_CLIENTS) as clients:
        outcomes = list(clients.map(lambda one: outcome_of(eager, one[1]), asked))
    wrong = [
        (kind.name, *request, outcome)
        for (kind, request), outcome in zip(asked, outcomes, strict=True)
        if not is_well(kind, outcome)
    ]
    assert not wrong, (Counter(row[0] for row in wrong), wrong[:20])
    assert outcomes.count(200) > _FEWEST_ANSWERED * len(outcomes)
    assert (eager.get("/system").status_code, eager.server.pid) == (200, pid)


def outcome_of(archive: Archive, request: Request) -> int | str:
    """The status, or why there is none."""
    path, accept = request
    try:
        answer = archive.get(path, **({"accept": accept} if accept else {}))
    except requests.RequestException as error:
        return type(error).__name__
    return answer.status_code


def is_well(kind: Kind, outcome: int | str) -> bool:
    return outcome in (200, 406, *_REFUSED.get(kind.name, ()))
