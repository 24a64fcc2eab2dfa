"""The one table of what frames can be made in."""

from __future__ import annotations

import pytest
from framecache.codecs.targets import LOSSLESS_TARGETS, LOSSY_TARGETS, NATIVE_TARGETS, targets

JPEG, VIDEO = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.102"


@pytest.mark.parametrize("stored", ["1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5", JPEG, "1.2.840.10008.1.2.4.110"])
def test_whatever_is_stored_can_be_had_in_every_other_form(stored: str) -> None:
    offered = [target.transfer_syntax_uid for target in targets(stored)]
    assert offered == [uid for uid in (*NATIVE_TARGETS, *LOSSLESS_TARGETS, *LOSSY_TARGETS) if uid != stored]


@pytest.mark.parametrize("stored", [VIDEO, "1.2.3", ""])
def test_video_and_unknown_syntaxes_have_no_other_form(stored: str) -> None:
    assert targets(stored) == ()
