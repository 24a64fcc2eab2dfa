"""Which form of a frame a request gets (PS3.18 section 8.7): of what can be had, what is best and acceptable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from framecache.dicom.transfer_syntax import (
    EXPLICIT,
    HTJ2K_LOSSLESS,
    LOSSLESS_TARGETS,
    Encoding,
    Representation,
    lookup,
    stored_representation,
)
from framecache.dicomweb.negotiation import Choice, choose, is_simple
from framecache.errors import HandOver, NotAcceptable
from framecache.instances.entry import Entry
from framecache.orthanc.instance import Instance


class Representations:
    """Chooses one for each request."""

    def __init__(self, has_small_form: Callable[[Instance], bool], *, can_transcode: bool) -> None:
        """`has_small_form` says whether HTJ2K lossless is kept of an instance beside the stored form."""
        self._has_small_form, self._can_transcode = has_small_form, can_transcode
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

        Raises NotAcceptable, HandOver where the stock plugin may have what is asked for.
        """
        small = self._cached_small_form(entry, numbers)
        return self._choose(entry.instance.transfer_syntax_uid, accept, small, len(numbers), unwritable)

    def _cached_small_form(self, entry: Entry, numbers: Sequence[int]) -> str | None:
        """The form that the site's rules want for slow lines, as soon as it is there: `*` then gets it."""
        is_there = bool(numbers) and all((HTJ2K_LOSSLESS, number) in entry.blocks for number in numbers)
        return HTJ2K_LOSSLESS if is_there and self._has_small_form(entry.instance) else None

    def _choose_anew(
        self,
        transfer_syntax_uid: str,
        accept: str | None,
        preferred: str | None,
        frames_asked_for: int,
        unwritable: frozenset[Representation],
    ) -> Choice:
        """`frames_asked_for` is 0 for all of them, which the stock plugin sends nowhere."""
        available = available_representations(transfer_syntax_uid, can_transcode=self._can_transcode)
        if preferred is not None:
            available.insert(0, Representation(preferred))
        writable = [representation for representation in available if representation not in unwritable]
        try:
            return choose(accept, writable, several=frames_asked_for != 1)
        except NotAcceptable as error:
            stock_may = is_simple(accept) or (frames_asked_for == 1 and not self._can_transcode)
            if frames_asked_for and not unwritable and stock_may:
                raise HandOver("the frame is asked for in a form that only the stock plugin may have") from error
            raise


def available_representations(transfer_syntax_uid: str, *, can_transcode: bool) -> list[Representation]:
    """What a frame stored in this transfer syntax can be had as: what is stored first, then what is cheap.

    Raises NotAcceptable for video, HandOver for transfer syntaxes that nobody here knows.
    """
    syntax = lookup(transfer_syntax_uid)
    if syntax.encoding is Encoding.VIDEO:
        raise NotAcceptable("this instance is a video: it is one stream and has no frames", ("application/dicom",))
    if syntax.encoding is Encoding.UNKNOWN:
        raise HandOver("the transfer syntax is not known")
    stored = stored_representation(transfer_syntax_uid)
    available = [stored] if stored else []
    if can_transcode:
        available += [EXPLICIT] if stored != EXPLICIT else []
        available += LOSSLESS_TARGETS if syntax.encoding is Encoding.NATIVE else []
    return available
