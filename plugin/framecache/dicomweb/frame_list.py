"""Frame lists of a URL (PS3.18 section 10.4.1)."""

from __future__ import annotations

from framecache.errors import BadRequest

_LARGEST_FRAME_NUMBER = 2**31 - 1  # NumberOfFrames is an IS (PS3.5 section 6.2)


def parse_frame_list(text: str) -> tuple[int, ...]:
    """The frame numbers of a request, from 1, in its order (PS3.18 section 10.4.1); the length of a URL limits them.

    Duplicates are kept, as the stock plugin answers them. Raises BadRequest for empty items, text and zero.
    """
    return tuple(map(_frame_number, text.split(",")))


def _frame_number(item: str) -> int:
    if not (item.isascii() and item.isdigit() and len(item) <= len(str(_LARGEST_FRAME_NUMBER))):
        raise BadRequest("a frame list has whole numbers from 1, separated by commas")
    number = int(item)
    if not 1 <= number <= _LARGEST_FRAME_NUMBER:
        raise BadRequest("frames are numbered from 1")
    return number
