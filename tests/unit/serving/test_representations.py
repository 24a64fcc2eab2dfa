"""What a request gets of what can be had: a table by stored form, codecs, cached small form and Accept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from framecache.codecs.targets import HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL
from framecache.dicom.transfer_syntax import EXPLICIT, Representation
from framecache.errors import FrameCacheError, NotAcceptable
from framecache.instances.entry import Entry
from framecache.policy.policy import Treatment
from framecache.serving.representations import Form, Representations, Transcoded
from framecache.store.block import Block
from framecache.store.disk.blocks import BlockFile

from tests.unit.fakes import instance

IMPLICIT, BASELINE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.50"
NATIVE, JPEG_2000, VIDEO, UNKNOWN = (
    EXPLICIT.transfer_syntax_uid,
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.102",
    "1.2.3.4",
)
ANYTHING = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
JPEG_XL = 'multipart/related; type="image/jxl"'
JPEG = 'multipart/related; type="image/jpeg"; transfer-syntax=1.2.840.10008.1.2.4.50'


def entry_of(transfer_syntax_uid: str, *small: int, wants_small: bool = True, form: str = HTJ2K_LOSSLESS_RPCL) -> Entry:
    """An instance of which these frames are cached in the small form."""
    rows = {(form, number): Block("", form, number, 1, 1, BlockFile("")) for number in small}
    one, treatment = instance(), Treatment("arrival", has_small_form=wants_small)
    return Entry(replace(one, transfer_syntax_uid=transfer_syntax_uid), None, 0.0, treatment, blocks=rows)


@pytest.mark.parametrize(
    ("stored", "accept", "small", "wanted"),
    [
        pytest.param(NATIVE, ANYTHING, (), NATIVE, id="as stored"),
        pytest.param(NATIVE, ANYTHING, (1, 2), HTJ2K_LOSSLESS_RPCL, id="the small form as soon as it is there"),
        pytest.param(NATIVE, ANYTHING, (1,), NATIVE, id="not where one of the frames lacks it"),
        pytest.param(
            NATIVE, f"application/octet-stream, {ANYTHING};q=0.1", (1, 2), HTJ2K_LOSSLESS_RPCL, id="two frames"
        ),
        pytest.param(JPEG_2000, ANYTHING, (), JPEG_2000, id="compressed as stored"),
        pytest.param(JPEG_2000, "*/*", (), NATIVE, id="the default of PS3.18 8.7.8"),
        pytest.param(JPEG_2000, f"{JPEG_XL};q=0.9, {ANYTHING};q=0.1", (), JPEG_2000, id="the next that there is"),
        pytest.param(JPEG_2000, JPEG, (), BASELINE, id="made of what is compressed, too"),
        pytest.param(JPEG_2000, ANYTHING.replace("*", IMPLICIT), (), IMPLICIT, id="the other little endian"),
    ],
)
def test_a_request_gets_the_best_that_it_accepts(stored: str, accept: str, small: tuple[int, ...], wanted: str) -> None:
    representations = Representations(can_transcode=True)

    choice = representations.choose(entry_of(stored, *small), accept, (1, 2))

    assert (choice.form.representation.transfer_syntax_uid, choice.multipart) == (wanted, True)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        pytest.param("*/*", JPEG_2000, id="any"),
        pytest.param(None, JPEG_2000, id="none"),
        pytest.param("multipart/*;q=0.5", JPEG_2000, id="any multipart"),
        pytest.param(f"*/*; transfer-syntax={NATIVE}", NATIVE, id="any, in a transfer syntax"),
        pytest.param("multipart/related", NATIVE, id="the default of a media type"),
        pytest.param('multipart/related; type="application/octet-stream"', NATIVE, id="octets"),
    ],
)
def test_a_site_may_send_what_is_stored_to_who_accepts_anything(accept: str | None, wanted: str) -> None:
    representations = Representations(can_transcode=True, wildcard_is_stored=True)

    selection = representations.choose(entry_of(JPEG_2000), accept, (1,))

    assert (selection.form.representation.transfer_syntax_uid, selection.multipart) == (wanted, True)


def test_the_small_form_is_not_preferred_where_no_rule_wants_it() -> None:
    representations = Representations(can_transcode=True)
    assert (
        representations.choose(entry_of(NATIVE, 1, wants_small=False), ANYTHING, (1,)).form.representation == EXPLICIT
    )


@pytest.mark.parametrize("asked", [HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL])
def test_the_small_form_answers_to_both_of_its_names(asked: str) -> None:
    accept = f'multipart/related; type="image/jphc"; transfer-syntax={asked}'
    form = Representations(can_transcode=True).choose(entry_of(NATIVE, 1), accept, (1,)).form
    assert (form.representation.transfer_syntax_uid, form.key) == (asked, HTJ2K_LOSSLESS_RPCL)


@pytest.mark.parametrize("accept", [ANYTHING, 'multipart/related; type="image/jphc"'])
def test_what_an_earlier_version_kept_is_used_under_the_name_that_it_was_made_for(accept: str) -> None:
    entry = entry_of(NATIVE, 1, form=HTJ2K_LOSSLESS)
    form = Representations(can_transcode=True).choose(entry, accept, (1,)).form
    assert (form.representation.transfer_syntax_uid, form.key) == (HTJ2K_LOSSLESS, HTJ2K_LOSSLESS)


def test_what_turned_out_not_to_be_writable_is_passed_over() -> None:
    representations, entry = Representations(can_transcode=True), entry_of(NATIVE, 1)
    refused = frozenset[Form]({Transcoded.of(NATIVE, Representation(HTJ2K_LOSSLESS_RPCL))})
    assert representations.choose(entry, ANYTHING, (1,), refused).form.representation == EXPLICIT


@pytest.mark.parametrize(
    ("stored", "accept", "numbers", "can_transcode", "error"),
    [
        pytest.param(VIDEO, ANYTHING, (1,), True, NotAcceptable, id="video"),
        pytest.param(UNKNOWN, ANYTHING, (1,), True, NotAcceptable, id="unknown transfer syntax, as it is stored"),
        pytest.param(UNKNOWN, "*/*", (1,), True, NotAcceptable, id="unknown transfer syntax, decoded"),
        pytest.param(NATIVE, JPEG_XL, (1,), True, NotAcceptable, id="what nobody makes"),
        pytest.param(NATIVE, JPEG, (1,), False, NotAcceptable, id="the stock plugin would have to encode it"),
        pytest.param(JPEG_2000, "*/*", (1,), False, NotAcceptable, id="without codecs it would have to decode it"),
        pytest.param(NATIVE, JPEG_XL, (), True, NotAcceptable, id="all frames"),
    ],
)
def test_what_cannot_be_had_is_refused_or_left_to_the_stock_plugin(
    stored: str, accept: str, numbers: tuple[int, ...], *, can_transcode: bool, error: type[FrameCacheError]
) -> None:
    representations = Representations(can_transcode=can_transcode)
    with pytest.raises(error):
        representations.choose(entry_of(stored), accept, numbers)
