"""Who is measured with the plugin, and who without."""

from __future__ import annotations

import pytest

from bench.subject import (
    COPY,
    FRAMECACHE,
    FRAMECACHE_SLOW_LINE,
    FRAMECACHE_VIEWER,
    HOUSEKEEPER,
    NGINX,
    NGINX_VIEWER,
    NOT_FILLING,
    STOCK,
    STOCK_VIEWER,
    TRIVIAL,
    TUNED,
    WITHOUT,
    Subject,
)


@pytest.mark.parametrize("subject", [FRAMECACHE, FRAMECACHE_SLOW_LINE, FRAMECACHE_VIEWER, HOUSEKEEPER, NOT_FILLING])
def test_answers_of_these_come_from_the_cache(subject: Subject) -> None:
    assert subject.has_cache


@pytest.mark.parametrize("subject", [COPY, NGINX, NGINX_VIEWER, STOCK, STOCK_VIEWER, TRIVIAL, TUNED, WITHOUT])
def test_these_have_no_cache(subject: Subject) -> None:
    assert not subject.has_cache


def test_the_stock_plugin_in_the_viewer_has_its_default_settings() -> None:
    """Orthanc's Python plugin only serves the viewer's files there."""
    assert set(STOCK_VIEWER.configuration) == {"PythonScript", "Python", "FrameCache"}
