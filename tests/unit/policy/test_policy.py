"""What is done with an instance: the first rule that matches decides, and the other settings are the last rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from framecache.config.reading import read_settings
from framecache.orthanc.instance import Instance
from framecache.policy.parsing import parse_rules
from framecache.policy.policy import Policy, Treatment

from tests.unit.dicom_files import BIG_ENDIAN, EXPLICIT, JPEG_2000
from tests.unit.fakes import instance

TODAY = date(2026, 11, 21)
MG_SOP_CLASS = "1.2.840.10008.5.1.4.1.1.13.1.3"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
MB = 1 << 20
TOMOSYNTHESIS = replace(
    instance(),
    modality="MG",
    sop_class_uid=MG_SOP_CLASS,
    station_name="MAMMO1",
    remote_aet="MAMMO_ROOM",
    study_date="20261111",
    transfer_syntax_uid=EXPLICIT,
    number_of_frames=60,
    file_size=60 * 9 * MB,
    pixel_data_offset=0,
)
SLICE = replace(instance(1), modality="CT", number_of_frames=1, file_size=MB // 2, study_date="")


def policy(rules: Sequence[Mapping[str, Any]] = (), **other: Any) -> Policy:
    settings = read_settings({"Rules": list(rules), **other}, Path("/beside"))
    return settings.policy(today=lambda: TODAY)


# A condition, and whether the tomosynthesis meets it.
CONDITIONS: tuple[tuple[dict[str, object], bool], ...] = (
    ({}, True),
    ({"Modality": "MG"}, True),
    ({"Modality": ["XA", "MG"]}, True),
    ({"Modality": "XA"}, False),
    ({"SOPClassUID": MG_SOP_CLASS}, True),
    ({"SOPClassUID": [f"{MG_SOP_CLASS}.1"]}, False),
    ({"TransferSyntaxUID": EXPLICIT}, True),
    ({"TransferSyntaxUID": JPEG_2000}, False),
    ({"StationName": "MAMMO1"}, True),
    ({"StationName": "MAMMO"}, False),
    ({"RemoteAET": ["OTHER", "MAMMO_ROOM"]}, True),
    ({"RemoteAET": "mammo_room"}, False),
    ({"MinimumFrames": 60}, True),
    ({"MinimumFrames": 61}, False),
    ({"MaximumFrames": 60}, True),
    ({"MaximumFrames": 59}, False),
    ({"MinimumFrameMB": 9}, True),
    ({"MinimumFrameMB": 9.01}, False),
    ({"MaximumFrameMB": 9}, True),
    ({"MaximumFrameMB": 8.99}, False),
    ({"MinimumStudyAgeDays": 10}, True),
    ({"MinimumStudyAgeDays": 11}, False),
    ({"MaximumStudyAgeDays": 10}, True),
    ({"MaximumStudyAgeDays": 9}, False),
    ({"Modality": "MG", "MinimumFrames": 2}, True),
    ({"Modality": "MG", "MinimumFrames": 100}, False),
)


@pytest.mark.parametrize(("condition", "meets"), CONDITIONS, ids=str)
def test_a_rule_is_about_what_meets_all_its_conditions(condition: dict[str, object], *, meets: bool) -> None:
    (rule,) = parse_rules([condition])

    assert rule.matches(TOMOSYNTHESIS, TODAY) is meets


@pytest.mark.parametrize("condition", [{"MinimumStudyAgeDays": 0}, {"MaximumStudyAgeDays": 36500}])
@pytest.mark.parametrize("study_date", ["", "2026", "unknown", "20261350"])
def test_a_study_without_a_date_has_no_age(condition: dict[str, object], study_date: str) -> None:
    (rule,) = parse_rules([condition])

    assert not rule.matches(replace(TOMOSYNTHESIS, study_date=study_date), TODAY)


def test_only_mammography_is_one_line() -> None:
    only = policy([{"Modality": "MG"}])
    angiography = replace(TOMOSYNTHESIS, modality="XA")

    assert only.decide(TOMOSYNTHESIS) == Treatment("arrival", rule=0)
    assert only.decide(replace(TOMOSYNTHESIS, number_of_frames=1, file_size=1)).is_kept_at_arrival
    assert (only.decide(angiography).is_kept_at_arrival, only.decide(angiography).is_kept) == (False, True)
    assert not only.decide(SLICE).is_kept


def test_the_first_rule_that_matches_decides() -> None:
    made = policy(
        [
            {"RemoteAET": "MIGRATION", "Extract": "never"},
            {"Modality": "MG", "MaximumStudyAgeDays": 30, "Priority": "high", "KeepDays": 60, "Form": "HTJ2K"},
            {"Modality": ["MG", "XA"], "Extract": "demand", "Priority": "low"},
        ]
    )
    old, migrated = replace(TOMOSYNTHESIS, study_date="20200101"), replace(TOMOSYNTHESIS, remote_aet="MIGRATION")

    assert made.decide(TOMOSYNTHESIS) == Treatment("arrival", "copy", "high", 60, has_small_form=True, rule=1)
    assert made.decide(old) == Treatment("demand", "copy", "low", rule=2)
    assert made.decide(migrated) == Treatment("never", rule=0)


@pytest.mark.parametrize(
    ("one", "extract"),
    [
        (TOMOSYNTHESIS, "arrival"),
        (SLICE, "never"),
        (replace(SLICE, number_of_frames=2), "arrival"),
        (replace(SLICE, file_size=4 * MB + 400), "arrival"),
        (replace(SLICE, file_size=4 * MB - 1), "never"),
    ],
)
def test_without_rules_many_frames_or_large_ones_are_cached(one: Instance, extract: str) -> None:
    assert policy().decide(one).extract == extract


def test_what_no_rule_is_about_waits_for_a_viewer_by_the_same_bounds() -> None:
    made = policy([{"Modality": "MG"}], MinimumFrames=100, MinimumFrameMB=10)
    angiography = replace(TOMOSYNTHESIS, modality="XA")

    assert made.decide(angiography).extract == "never"
    assert made.decide(replace(angiography, number_of_frames=100)).extract == "demand"


@pytest.mark.parametrize(
    ("form", "mode", "expected"),
    [
        (None, "copy", ("copy", False)),
        (None, "index", ("index", False)),
        (None, "auto", ("auto", False)),
        ("stored", "index", ("copy", False)),
        ("stored", "auto", ("copy", False)),
        ("index", "copy", ("index", False)),
        ("HTJ2K", "copy", ("copy", True)),
        ("HTJ2K", "auto", ("auto", True)),
        ("HTJ2K", "index", ("auto", True)),
    ],
)
def test_a_rule_s_form_goes_before_the_mode_of_all(form: str | None, mode: str, expected: tuple[str, bool]) -> None:
    treatment = policy([{} if form is None else {"Form": form}], Mode=mode).decide(TOMOSYNTHESIS)

    assert (treatment.mode, treatment.has_small_form) == expected


@pytest.mark.parametrize(
    ("syntax", "gains"), [(EXPLICIT, True), (BIG_ENDIAN, True), (JPEG_LOSSLESS, True), (JPEG_2000, False), ("", False)]
)
def test_only_what_gains_by_it_is_kept_as_htj2k(syntax: str, *, gains: bool) -> None:
    one = replace(TOMOSYNTHESIS, transfer_syntax_uid=syntax)

    assert policy([{"Form": "HTJ2K"}]).decide(one) == Treatment("arrival", has_small_form=gains, rule=0)
    assert policy(Transcode=[{}]).decide(one).has_small_form is gains


def test_the_shorthand_says_of_what_htj2k_is_kept_too_and_changes_nothing_else() -> None:
    made = policy(Transcode=[{"Modalities": ["MG"], "MinimumFrameMB": 5}])

    assert made.decide(TOMOSYNTHESIS).has_small_form
    assert made.decide(replace(TOMOSYNTHESIS, number_of_frames=1, file_size=9 * MB)).has_small_form
    for other in (replace(TOMOSYNTHESIS, modality="XA"), replace(TOMOSYNTHESIS, number_of_frames=120)):
        assert (made.decide(other).extract, made.decide(other).has_small_form) == ("arrival", False)
    assert not made.decide(SLICE).is_kept


def test_who_wants_an_index_alone_gets_no_small_forms_by_the_shorthand() -> None:
    assert policy(Transcode=[{}], Mode="index").decide(TOMOSYNTHESIS) == Treatment("arrival", "index", rule=0)


def test_how_long_something_stays_is_said_for_all_or_by_a_rule() -> None:
    rules: list[dict[str, object]] = [
        {"Modality": "MG", "KeepDays": 90},
        {"Modality": "XA", "KeepDays": 0},
        {"Modality": "US"},
    ]
    made = policy(rules, MaximumAgeDays=7)

    assert [made.decide(replace(TOMOSYNTHESIS, modality=name)).keep_days for name in ("MG", "XA", "US", "NM")] == [
        90,
        0,
        7,
        7,
    ]
    assert made.shortest_stay == 7
    assert (policy().shortest_stay, policy([{"KeepDays": 3}], MaximumAgeDays=0).shortest_stay) == (0, 3)


@pytest.mark.parametrize(
    ("rules", "tags"),
    [
        ([], []),
        ([{"RemoteAET": "A", "SOPClassUID": "1.2", "TransferSyntaxUID": "1.2", "MinimumFrames": 2}], []),
        ([{"Modality": "MG"}, {"Modality": "XA"}], ["Modality"]),
        ([{"StationName": "A"}, {"MinimumStudyAgeDays": 2}], ["StationName", "StudyDate"]),
    ],
)
def test_what_the_rules_look_at_in_series_and_study_is_known(rules: list[dict[str, object]], tags: list[str]) -> None:
    assert policy(rules).tags == tags
