"""Each example of rules is a setting that is taken, and does what the text says of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from framecache.config.reading import in_force, read_settings
from framecache.policy.policy import Policy

from dev.documents import RULES
from tests.unit.fakes import instance

TRANSCODING = RULES.with_name("transcoding.md")


def examples(document: Path) -> list[dict[str, dict[str, object]]]:
    """Its sections "FrameCache"."""
    blocks = re.findall(r"```json\n(.*?)```", document.read_text(), re.DOTALL)
    return [json.loads("{" + block + "}") for block in blocks]


EXAMPLES = examples(RULES)


def policy(example: int) -> Policy:
    return read_settings(EXAMPLES[example]["FrameCache"], Path("/beside")).policy()


@pytest.mark.parametrize("example", [*EXAMPLES, *examples(TRANSCODING)], ids=str)
def test_each_example_is_a_valid_setting(example: dict[str, dict[str, object]]) -> None:
    section = example["FrameCache"]

    assert section.items() <= in_force(read_settings(section, Path("/beside"))).items()


def test_the_examples_do_what_is_said_of_them() -> None:
    mammogram = replace(instance(), modality="MG", number_of_frames=1, study_date="20000101")
    slide = replace(instance(), modality="SM", sop_class_uid="1.2.840.10008.5.1.4.1.1.77.1.6")
    only_mammography, by_age, by_sender, by_kind = map(policy, range(4))

    assert [only_mammography.decide(one).extract for one in (mammogram, slide)] == ["arrival", "demand"]
    assert by_age.decide(mammogram).extract == "never"
    assert by_sender.decide(replace(slide, remote_aet="MIGRATION")).extract == "demand"
    assert by_sender.decide(replace(slide, station_name="RESEARCH2")).extract == "never"
    assert by_sender.decide(slide).extract == "arrival"
    assert by_kind.decide(slide).mode == "index"
    assert [by_kind.decide(one).keep_days for one in (mammogram, slide)] == [90, 30]
