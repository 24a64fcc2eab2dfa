"""DICOM JSON and the Native DICOM Model of every file: as the stock plugin has them, but for what the table says."""

from __future__ import annotations

import pytest

from tests.real_files.metadata import Comparison, Finding, files, stock_server
from tests.real_files.metadata_differences import METADATA_DIFFERENCES, MetadataDifference

pytestmark = pytest.mark.orthanc


@pytest.fixture(scope="module")
def comparisons(
    suite: str,
    real_files: None,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Comparison]:
    with stock_server(suite, tmp_path_factory.mktemp(f"metadata-{suite}")) as server:
        found = [server.compare(name, content) for name, content in files()]
    return [comparison for comparison in found if comparison]


@pytest.fixture(scope="module")
def findings(comparisons: list[Comparison]) -> list[Finding]:
    return [finding for comparison in comparisons for finding in comparison.json]


def test_there_are_many(comparisons: list[Comparison]) -> None:
    assert len(comparisons) > 260


def test_attributes_are_the_same(suite: str, findings: list[Finding]) -> None:
    rows = [row for row in METADATA_DIFFERENCES if suite in row.suites]
    assert [finding for finding in findings if not any(row.is_meant(finding) for row in rows)] == []


@pytest.mark.parametrize("row", METADATA_DIFFERENCES, ids=lambda row: row.attributes)
def test_differences_that_are_listed_happen(suite: str, findings: list[Finding], row: MetadataDifference) -> None:
    assert any(row.is_meant(finding) for finding in findings) == (suite in row.suites)


def test_xml_says_the_same_where_the_json_does(comparisons: list[Comparison]) -> None:
    """But for a number that is none: it is empty, as null is."""
    found = [finding for comparison in comparisons for finding in comparison.xml]
    assert [finding for finding in found if "'nan', ''" not in finding] == []


def test_the_stock_plugin_answers_our_bulk_data_uris(comparisons: list[Comparison]) -> None:
    assert [path for comparison in comparisons for path in comparison.unanswered] == []
