"""What rules would bring into the cache, and what it costs by what this server has measured."""

from __future__ import annotations

import pytest
from framecache.orthanc.instance import DescribedInstance
from framecache.policy.policy import Treatment
from framecache.prefetch.extraction_cost import MeasuredCost, Tally

from tests.unit.dicom_files import DEFLATED, EXPLICIT, JPEG_2000

MEASURED = {
    "stored": MeasuredCost(1000, 1100, 2),
    "index": MeasuredCost(1000, 10, 0.1),
    "HTJ2K": MeasuredCost(1000, 400, 20),
}
MPEG4 = "1.2.840.10008.1.2.4.102"


def arrival(syntax: str = EXPLICIT, frames: int = 10, frame_size: int = 100) -> DescribedInstance:
    return DescribedInstance(
        orthanc_id="id",
        modality="MG",
        sop_class_uid="",
        transfer_syntax_uid=syntax,
        station_name="",
        remote_aet="",
        study_date="20261101",
        number_of_frames=frames,
        file_size=frames * frame_size,
        pixel_data_offset=None,
    )


def tally(treatment: Treatment, *arrivals: DescribedInstance) -> Tally:
    made = Tally()
    for one in arrivals or (arrival(),):
        made.add(one, treatment)
    return made


@pytest.mark.parametrize(
    ("treatment", "syntax", "size", "seconds"),
    [
        (Treatment("arrival"), EXPLICIT, 1000, 2.0),
        (Treatment("arrival", has_small_form=True), EXPLICIT, 1400, 22.0),
        (Treatment("arrival", "index"), EXPLICIT, 10, 0.1),
        (Treatment("arrival", "auto"), JPEG_2000, 10, 0.1),
        (Treatment("arrival", "auto"), DEFLATED, 1000, 2.0),
        (Treatment("arrival", "index"), DEFLATED, 0, 0),
        (Treatment("arrival", "auto", has_small_form=True), EXPLICIT, 410, 20.1),
        (Treatment("arrival"), MPEG4, 0, 0),
        (Treatment("demand"), EXPLICIT, 0, 0),
        (Treatment("never", "index"), EXPLICIT, 0, 0),
    ],
)
def test_each_form_costs_what_was_measured_of_it(treatment: Treatment, syntax: str, size: int, seconds: float) -> None:
    made = tally(treatment, arrival(syntax))

    assert (made.instances, made.frames, made.stored_bytes) == (1, 10, 1000)
    assert made.cache_bytes(MEASURED) == size
    assert made.seconds(MEASURED) == pytest.approx(seconds)


def test_what_was_never_measured_is_not_guessed() -> None:
    stored, small = tally(Treatment("arrival")), tally(Treatment("arrival", has_small_form=True))

    assert (stored.cache_bytes({}), stored.seconds({})) == (1000, None)
    only_stored = {"stored": MEASURED["stored"]}
    assert (small.cache_bytes(only_stored), small.seconds(only_stored)) == (None, None)
    assert tally(Treatment("never")).seconds({}) == 0


def test_tallies_are_added_up() -> None:
    total = tally(Treatment("arrival"), arrival(), arrival(frames=3))
    total.merge(tally(Treatment("demand")))
    total.merge(tally(Treatment("arrival", has_small_form=True)))

    assert (total.instances, total.frames, total.stored_bytes) == (4, 33, 3300)
    assert total.cache_bytes(MEASURED) == 1300 + 1000 + 400
