"""The rows, and the data they are about."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread

from bench.plain import Enhanced, Plain, Slice, Slide, SmallFrames
from bench.rows import rows
from bench.run import GROUPS
from bench.samples import FULL, QUICK, DataSet, Size, Tomosynthesis, data_sets
from dev.sample import Sample


@pytest.mark.parametrize("size", [FULL, QUICK])
def test_every_subject_of_a_row_is_measured_in_some_group(size: Size, tmp_path: Path) -> None:
    measured = {subject for group in GROUPS for subject in group}

    for row in rows(data_sets(size, tmp_path)):
        assert {subject for _, subject in row.measurements} <= measured, row.what


def test_probes_of_one_name_measure_the_same(tmp_path: Path) -> None:
    """They are measured once: a name must not stand for two things."""
    made = {probe.name for row in rows(data_sets(FULL, tmp_path)) for probe, _ in row.measurements}

    assert len(made) == len({probe for row in rows(data_sets(FULL, tmp_path)) for probe, _ in row.measurements})


def test_the_quick_benchmark_has_a_row_for_every_kind_of_the_full_one(tmp_path: Path) -> None:
    made = rows(data_sets(QUICK, tmp_path))

    only_full = {row.what.split(":")[0] for row in made} - {row.what.split(":")[0] for row in made if row.quick}
    assert {what for what in only_full if "cached, against" not in what} == {"/thumbnail, cold", "/thumbnail, warm"}


@pytest.mark.parametrize("instance", [Slide(70), Slice(1), SmallFrames(500), Enhanced(20)])
def test_instances_are_valid_and_have_their_frames(instance: Plain, tmp_path: Path) -> None:
    dataset = dcmread(instance.write(tmp_path / "one.dcm"))

    assert int(dataset.NumberOfFrames) == instance.frames
    assert dataset.pixel_array.size == instance.frames * dataset.Rows * dataset.Columns * dataset.SamplesPerPixel


def test_the_views_of_a_study_differ_in_their_uids_only(tmp_path: Path) -> None:
    first = Sample(frames=2, rows=64, columns=48, encoding="jpeg-2000")
    second = Sample(frames=2, rows=64, columns=48, encoding="jpeg-2000", series_number=2)
    views = DataSet("views", "two views", tuple(Tomosynthesis(one, tmp_path) for one in (first, second)))

    one, two = (dcmread(path) for path in views.files(tmp_path))

    assert one.StudyInstanceUID == two.StudyInstanceUID
    assert one.SOPInstanceUID != two.SOPInstanceUID
    assert one.PixelData == two.PixelData
    assert (one.pixel_array == two.pixel_array).all()
