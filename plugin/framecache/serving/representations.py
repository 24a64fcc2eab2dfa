"""Which form of a frame a request gets (PS3.18 section 8.7): of what can be had, what is best and acceptable."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from framecache.codecs.targets import HTJ2K_LOSSLESS, targets
from framecache.dicom.transfer_syntax import (
    EXPLICIT,
    IMPLICIT,
    Encoding,
    Representation,
    lookup,
    stored_representation,
)
from framecache.dicomweb.negotiation import Choice, asks_as_stored, choose
from framecache.errors import HandOver, NotAcceptable
from framecache.instances.entry import Entry


class Representations:
    """Chooses one for each request."""

    def __init__(self, *, can_transcode: bool) -> None:
        self._can_transcode = can_transcode
        # Viewers send the same Accept with each of their requests.
        self._choose = lru_cache(1024)(self._choose_anew)

    def choose(
        self,
        entry: Entry,
        accept: str | None,
        numbers: Sequence[int],
        unwritable: frozenset[Representation] = frozenset(),
    ) -> Choice:
        """What these frames, or all where there are no `numbers`, are sent as; nothing that is `unwritable`.

        Raises NotAcceptable, HandOver for transfer syntaxes that nobody here knows.
        """
        small = self._cached_small_form(entry, numbers)
        return self._choose(entry.instance.transfer_syntax_uid, accept, small, len(numbers) != 1, unwritable)

    def _cached_small_form(self, entry: Entry, numbers: Sequence[int]) -> str | None:
        """The form that the site's rules want for slow lines, as soon as it is there: `*` then gets it."""
        is_there = bool(numbers) and all((HTJ2K_LOSSLESS, number) in entry.blocks for number in numbers)
        return HTJ2K_LOSSLESS if is_there and entry.treatment.has_small_form else None

    def _choose_anew(
        self,
        transfer_syntax_uid: str,
        accept: str | None,
        preferred: str | None,
        several: bool,  # noqa: FBT001 - as a cache's key it has to be given by its place
        unwritable: frozenset[Representation],
    ) -> Choice:
        if lookup(transfer_syntax_uid).encoding is Encoding.UNKNOWN and asks_as_stored(accept):
            raise HandOver("the transfer syntax is not known")
        available = available_representations(transfer_syntax_uid, can_transcode=self._can_transcode)
        if preferred is not None:
            available.insert(0, Representation(preferred))
        writable = [representation for representation in available if representation not in unwritable]
        return choose(accept, writable, several=several)


def available_representations(transfer_syntax_uid: str, *, can_transcode: bool) -> list[Representation]:
    """What a frame stored in this transfer syntax can be had as: what is stored first, then what is cheap.

    Nothing of a transfer syntax that is not known. Raises NotAcceptable for video.
    """
    syntax = lookup(transfer_syntax_uid)
    if syntax.encoding is Encoding.VIDEO:
        raise NotAcceptable("this instance is a video: it is one stream and has no frames", ("application/dicom",))
    if syntax.encoding is Encoding.UNKNOWN:
        return []
    stored = stored_representation(transfer_syntax_uid)
    available = [stored] if stored else []
    if stored == EXPLICIT:
        available.append(IMPLICIT)  # the same bytes
    if can_transcode:
        available += [form for form in targets(transfer_syntax_uid) if form not in available]
    return available
