"""Every image of the packages in every form: as the stock plugin and pydicom have it, but for what the table says."""

from __future__ import annotations

import pytest

from tests.real_files.differences import DIFFERENCES, Difference
from tests.real_files.findings import Finding
from tests.real_files.forms import FORMS, Form
from tests.real_files.images import Image

pytestmark = pytest.mark.orthanc


def test_there_are_images_of_all_kinds(corpus: list[Image]) -> None:
    assert len({image.path for image in corpus}) == len(corpus) > 180
    assert len({image.transfer_syntax_uid for image in corpus}) > 10


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_answers_are_right(findings: list[Finding], form: Form) -> None:
    """Those of the plugin with a miss and with a hit, in copy mode and, of one suite, in index mode."""
    of_the_form = [finding for finding in findings if finding.form == form]
    expected = [finding for finding in of_the_form if any(row.covers(finding) for row in DIFFERENCES)]
    assert [str(finding) for finding in of_the_form if finding not in expected] == []


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: f"{row.images}, {row.requests}, {row.kind.name}")
def test_differences_that_are_listed_happen(suite: str, findings: list[Finding], row: Difference) -> None:
    assert any(row.covers(finding) for finding in findings) == (suite in row.suites)
