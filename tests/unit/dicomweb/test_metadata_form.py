"""The form of metadata that a client accepts."""

from __future__ import annotations

import pytest
from framecache.dicomweb.metadata_form import choose_form
from framecache.errors import BadRequest, NotAcceptable

XML = 'multipart/related; type="application/dicom+xml"'


@pytest.mark.parametrize(
    ("argument", "header", "form"),
    [
        (None, None, "json"),
        (None, "", "json"),
        (None, "*/*", "json"),
        (None, "application/*", "json"),
        (None, "application/json", "json"),
        (None, "APPLICATION/JSON", "json"),
        (None, "application/dicom+json, */*;q=0.1", "json"),
        (None, "text/html,application/xhtml+xml,*/*", "json"),
        (None, XML, "xml"),
        (None, "multipart/related; type=application/dicom+xml", "xml"),
        (None, f"{XML}; transfer-syntax=*", "xml"),
        (None, "multipart/related", "xml"),
        (None, f"application/json;q=0.5, {XML}", "xml"),
        (None, f"application/json, {XML};q=0.5", "json"),
        ("application/dicom+json", "text/html", "json"),
        (XML, "application/json", "xml"),
        # The stock plugin does not look at the parameter.
        ("text/html", "application/json", "json"),
        ("text/html", None, "json"),
        ("not a range", "application/json", "json"),
    ],
)
def test_the_parameter_goes_first_then_the_header_by_q_value(
    argument: str | None, header: str | None, form: str
) -> None:
    assert choose_form(argument, header) == form


@pytest.mark.parametrize(
    "header", ["text/html", "application/dicom+xml", "application/dicom", 'multipart/related; type="application/json"']
)
def test_other_media_types_are_refused_with_those_that_there_are(header: str) -> None:
    with pytest.raises(NotAcceptable) as refused:
        choose_form(None, header)

    assert refused.value.available == ("application/dicom+json", XML)


def test_a_malformed_header_is_refused() -> None:
    with pytest.raises(BadRequest):
        choose_form(None, "application json")
