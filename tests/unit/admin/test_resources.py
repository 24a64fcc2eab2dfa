"""How much of studies, series and instances is cached."""

from __future__ import annotations

import pytest
from framecache.errors import NotFound

from tests.unit.admin.site import Site
from tests.unit.dicom_files import SERIES, STUDY, native
from tests.unit.fakes import SERIES_ID, STUDY_ID, orthanc_id

OTHER_SERIES = orthanc_id(77)
STUDIES, ONE_STUDY, ONE_SERIES, ONE_INSTANCE = "studies", "studies/([^/]+)", "series/([^/]+)", "instances/([^/]+)"


def test_studies_are_told_from_the_index_alone(site: Site) -> None:
    names = [site.take_in(1), site.take_in(2)]
    site.warm(*names)
    calls = len(site.api.calls)
    answer = site.told(STUDIES)

    size = answer["Studies"][0].pop("Bytes")
    assert size > 2 * 72
    assert answer == {
        "Total": 1,
        "Studies": [
            {
                "ID": STUDY_ID,
                "StudyInstanceUID": STUDY,
                "Series": 1,
                "Instances": 2,
                "Frames": 6,
                "CachedFrames": 6,
                "LastViewed": None,
                "Pinned": False,
            }
        ],
    }
    assert len(site.api.calls) == calls
    assert site.told(STUDIES, offset="1") == {"Total": 1, "Studies": []}
    assert site.told(STUDIES, ids=orthanc_id(5)) == {"Total": 0, "Studies": []}


def test_a_study_tells_what_is_stored_announced_and_archived_beside_what_is_cached(site: Site) -> None:
    cached = site.take_in(1)
    site.take_in(2, native(bytes(24), NumberOfFrames=1), frames=1, series=OTHER_SERIES)
    site.api.expected[OTHER_SERIES] = 5
    site.archived = {OTHER_SERIES: 1}
    site.warm(cached)
    answer = site.told(ONE_STUDY, STUDY_ID)
    series = {one["ID"]: one for one in answer["SeriesList"]}

    assert (answer["ID"], answer["Instances"], answer["StoredInstances"]) == (STUDY_ID, 1, 2)
    assert series[SERIES_ID] == {
        "ID": SERIES_ID,
        "StudyID": STUDY_ID,
        "SeriesInstanceUID": SERIES,
        "StoredInstances": 1,
        "ExpectedInstances": None,
        "CachedInstances": 1,
        "ArchivedInstances": None,
        "Frames": 3,
        "CachedFrames": 3,
        "Bytes": answer["Bytes"],
    }
    other = series[OTHER_SERIES]
    assert (other["ExpectedInstances"], other["CachedInstances"], other["Frames"], other["Bytes"]) == (5, 0, 1, 0)
    assert other["ArchivedInstances"] == site.told(ONE_SERIES, OTHER_SERIES)["ArchivedInstances"] == 1


def test_a_study_of_which_nothing_is_cached_is_told_all_the_same(site: Site) -> None:
    site.take_in(1)
    answer = site.told(ONE_STUDY, STUDY_ID)

    assert (answer["StudyInstanceUID"], answer["Instances"], answer["StoredInstances"]) == (STUDY, 0, 1)
    assert answer["SeriesList"][0]["CachedFrames"] == 0


def test_a_series_tells_each_of_its_instances(site: Site) -> None:
    cached, single = site.take_in(1), site.take_in(2, native(bytes(24), NumberOfFrames=1), frames=1)
    waiting = site.take_in(3)
    site.warm(cached, single)
    site.scheduler.close()
    answer = site.told(ONE_SERIES, SERIES_ID)

    states = {one["ID"]: (one["State"], one["NumberOfFrames"], one["CachedFrames"]) for one in answer["InstancesList"]}
    assert states == {cached: ("cached", 3, 3), single: ("skipped", 1, 0), waiting: ("not cached", 3, 0)}
    assert (answer["StoredInstances"], answer["CachedInstances"], answer["CachedFrames"]) == (3, 1, 3)
    assert all(one["SOPInstanceUID"].endswith(one["ID"][7:8]) for one in answer["InstancesList"])


def test_an_instance_tells_where_it_belongs_when_it_was_viewed_and_which_frames_are_lacking(site: Site) -> None:
    name = site.take_in(1, native(bytes(72))[:-30])
    site.warm(name)
    path = site.catalogue.describe(name).instance.path
    site.store.records.touch({path: 1.9e9})
    answer = site.told(ONE_INSTANCE, name)

    assert (answer["StudyID"], answer["SeriesID"]) == (STUDY_ID, SERIES_ID)
    assert (answer["State"], answer["NumberOfFrames"], answer["CachedFrames"]) == ("partial", 3, 1)
    assert answer["FailedFrames"] == [2, 3]
    assert "lacks the last 2 of 3 frames" in answer["LastError"]
    assert answer["LastViewed"] == "2030-03-17T17:46:40+00:00"
    assert site.told(STUDIES)["Studies"][0]["LastViewed"] == answer["LastViewed"]


def test_frames_that_lie_in_two_blocks_count_once(site: Site) -> None:
    name = site.take_in(1)
    site.warm(name)
    entry = site.catalogue.describe(name)
    form = next(iter(entry.blocks))[0]
    for row in site.store.blocks.of(entry.instance):
        site.store.blocks.remove(row)
    for numbers in ((1,), (1, 2)):
        site.store.blocks.keep(entry.instance, form, {number: memoryview(bytes(8)) for number in numbers})

    assert site.told(ONE_INSTANCE, name)["CachedFrames"] == 2


@pytest.mark.parametrize("pattern", [ONE_STUDY, ONE_SERIES, ONE_INSTANCE])
@pytest.mark.parametrize("name", ["x", "", "../" * 4, orthanc_id(5)])
def test_what_is_not_there_is_not_found(site: Site, pattern: str, name: str) -> None:
    site.take_in(1)
    with pytest.raises(NotFound):
        site.told(pattern, name)


def test_an_instance_of_another_patient_with_the_same_uids_is_not_counted(site: Site) -> None:
    site.take_in(1)
    site.take_in(2, series=OTHER_SERIES)

    assert [one["ID"] for one in site.told(ONE_SERIES, SERIES_ID)["InstancesList"]] == [orthanc_id(1)]
