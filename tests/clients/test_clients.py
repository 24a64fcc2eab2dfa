"""Other people's DICOMweb clients see the right pixels, and their second look comes from the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dev.slide import Level, slide
from tests.clients.conftest import ENCODINGS, TILES, Run
from tests.clients.programs.places import GROUND, NUCLEUS
from tests.integration.archive import Archive

pytestmark = [pytest.mark.orthanc, pytest.mark.slow]

FINEST = slide("explicit", TILES)[0]
LOSS = 12  # what JPEG may change a channel by, of 255


def dicom_web(archive: Archive) -> str:
    return f"{archive.server.url}/dicom-web"


def colours(level: Level) -> list[list[int]]:
    """Of the two places that the programs look at."""
    tile = next(level.pixels())
    return [[int(value) for value in tile[y, x]] for x, y in (GROUND, NUCLEUS)]


def share_of_hits(archive: Archive, look: Callable[[], object]) -> float:
    before = archive.status()
    look()
    after = archive.status()
    hits, misses = (after[name] - before[name] for name in ("Hits", "Misses"))
    assert hits + misses > 0
    return float(hits / (hits + misses))


def test_wsidicom_reads_each_slide_in_its_colours_and_again_from_the_cache(slides: Archive, run: Run) -> None:
    series = {slide(encoding, TILES)[0].series_instance_uid: encoding for encoding in ENCODINGS}

    def look() -> Any:
        return run("wsidicom_regions", dicom_web(slides), FINEST.study_instance_uid, *series)

    told = look()
    for uid, encoding in series.items():
        assert told[uid] == close([colours(level) for level in slide(encoding, TILES)]), encoding
    assert share_of_hits(slides, look) == 1.0


def test_dicomslide_reads_each_slide_in_its_colours_and_again_from_the_cache(slides: Archive, run: Run) -> None:
    def look() -> Any:
        return run("dicomslide_regions", dicom_web(slides), FINEST.study_instance_uid)

    expected = close([colours(level) for level in slide("explicit", TILES)])
    assert look() == [expected] * len(ENCODINGS)
    assert share_of_hits(slides, look) == 1.0


def test_dicomtrolley_downloads_every_instance_of_a_study(slides: Archive, run: Run) -> None:
    uids = sorted(level.sop_instance_uid for encoding in ENCODINGS for level in slide(encoding, TILES))

    assert run("dicomtrolley_study", dicom_web(slides), FINEST.study_instance_uid) == uids


@pytest.fixture(scope="module")
def of_methods(slides: Archive, run: Run) -> Any:
    """What each method told of the finest level in each encoding."""
    levels = [slide(encoding, TILES)[0] for encoding in ENCODINGS]
    uids = [uid for level in levels for uid in (level.series_instance_uid, level.sop_instance_uid)]
    return run("dicomweb_client_methods", dicom_web(slides), FINEST.study_instance_uid, *uids)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_each_method_of_dicomweb_client_gets_what_it_asks_for(of_methods: Any, encoding: str) -> None:
    level = slide(encoding, TILES)[0]
    told = dict(of_methods[level.sop_instance_uid])

    whole, levels, jpeg = len(ENCODINGS) * len(slide()), len(slide()), "ffd8"
    assert told.pop("retrieve_instance_frames") == [256 * 256 * 3] * 2
    assert len(told.pop("iter_instance_frames")) == 2
    assert told == {
        "retrieve_study": whole,
        "iter_study": whole,
        "retrieve_study_metadata": whole,
        "retrieve_series": levels,
        "iter_series": levels,
        "retrieve_series_metadata": levels,
        "retrieve_series_rendered": jpeg,
        "retrieve_instance": level.sop_instance_uid,
        "retrieve_instance_metadata": level.sop_instance_uid,
        "retrieve_instance_rendered": jpeg,
        "retrieve_instance_frames_rendered": jpeg,
    }


def close(expected: Any) -> Any:
    """Nested lists whose numbers may differ by `LOSS`."""
    return Close(expected) if isinstance(expected, list) else pytest.approx(expected, abs=LOSS)


class Close:
    """Equal to a nested list whose numbers are near its own."""

    def __init__(self, expected: list[Any]) -> None:
        self._expected = [close(one) for one in expected]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and self._expected == other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"about {self._expected}"
