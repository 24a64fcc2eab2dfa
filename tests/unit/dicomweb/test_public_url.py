"""Under which URL a client sees the DICOMweb root: the stock plugin's rules, one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from framecache.dicomweb.url import PublicUrl, root_path
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("value", "root"),
    [
        ("/dicom-web/", "/dicom-web/"),
        ("dicom-web", "/dicom-web/"),
        ("/a/b", "/a/b/"),
        ("//a//", "/a/"),
        ("/", "/"),
        ("", "/default/"),
        (None, "/default/"),
        (7, "/default/"),
        (["/a/"], "/default/"),
    ],
)
def test_a_root_has_a_slash_at_both_ends(value: object, root: str) -> None:
    assert root_path(value, "/default/") == root


@pytest.mark.parametrize(
    ("section", "headers", "base"),
    [
        pytest.param({}, {}, "http://localhost:8042/dicom-web/", id="nothing known"),
        pytest.param({}, {"host": "pacs:8042"}, "http://pacs:8042/dicom-web/", id="Host"),
        pytest.param({"Ssl": True}, {"host": "pacs"}, "https://pacs/dicom-web/", id="Ssl"),
        pytest.param({"Ssl": "true"}, {"host": "pacs"}, "http://pacs/dicom-web/", id="Ssl of a wrong type"),
        pytest.param({"Root": "/dw"}, {"host": "pacs"}, "http://pacs/dw/", id="Root"),
        pytest.param({"Root": "/dw", "PublicRoot": "/x/dw/"}, {"host": "pacs"}, "http://pacs/x/dw/", id="PublicRoot"),
        pytest.param(
            {"Host": "fixed", "Ssl": True},
            {
                "host": "pacs",
                "forwarded": "host=proxy;proto=http",
                "x-forwarded-host": "proxy",
                "x-forwarded-proto": "http",
            },
            "https://fixed/dicom-web/",
            id="a configured host beats every header",
        ),
        pytest.param(
            {},
            {"host": "pacs", "x-forwarded-host": " proxy ", "x-forwarded-proto": " https "},
            "https://proxy/dicom-web/",
            id="X-Forwarded-Host with its protocol",
        ),
        pytest.param(
            {}, {"host": "pacs", "x-forwarded-host": "proxy"}, "http://pacs/dicom-web/", id="X-Forwarded-Host alone"
        ),
        pytest.param(
            {}, {"host": "pacs", "x-forwarded-proto": "https"}, "http://pacs/dicom-web/", id="X-Forwarded-Proto alone"
        ),
        pytest.param(
            {},
            {"x-forwarded-host": "one", "x-forwarded-proto": "http", "forwarded": "host=two;proto=https"},
            "http://one/dicom-web/",
            id="X-Forwarded-Host beats Forwarded",
        ),
        pytest.param(
            {},
            {"host": "pacs", "forwarded": "for=10.0.0.1; Host=proxy; PROTO=https"},
            "https://proxy/dicom-web/",
            id="Forwarded",
        ),
        pytest.param(
            {},
            {"host": "pacs", "forwarded": "host=first;proto=https, host=second;proto=http"},
            "https://first/dicom-web/",
            id="the first element of Forwarded",
        ),
        pytest.param(
            {}, {"host": "pacs", "forwarded": "proto=https"}, "https://pacs/dicom-web/", id="Forwarded without host"
        ),
        pytest.param({}, {"host": "pacs", "forwarded": ";;=;a=b=c"}, "http://pacs/dicom-web/", id="Forwarded, garbled"),
        pytest.param(
            {"Ssl": True},
            {"forwarded": "host=proxy;proto=gopher"},
            "https://proxy/dicom-web/",
            id="an unknown protocol",
        ),
    ],
)
def test_the_stock_plugin_s_rules_decide(section: Mapping[str, Any], headers: Mapping[str, str], base: str) -> None:
    assert PublicUrl.from_configuration(section).base(headers) == base


@given(st.dictionaries(st.sampled_from(["host", "forwarded", "x-forwarded-host", "x-forwarded-proto"]), st.text()))
def test_no_header_breaks_the_url(headers: dict[str, str]) -> None:
    base = PublicUrl.from_configuration({}).base(headers)

    assert base.startswith(("http://", "https://"))
    assert base.endswith("/dicom-web/")
