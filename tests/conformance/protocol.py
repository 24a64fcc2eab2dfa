"""What does not depend on transfer syntaxes: frame lists that are none, and what goes with every answer."""

from __future__ import annotations

from dataclasses import dataclass

from tests.conformance.stored import FRAMES


@dataclass(frozen=True)
class ListCase:
    """A frame list and the status that it has; `said` is in the message."""

    text: str
    status: int
    said: str = ""
    name: str = ""


PAST_THE_END = f"the instance has {FRAMES} frames"
LIST_CASES = (
    ListCase("0", 400),
    ListCase("-1", 400),
    ListCase("x", 400),
    ListCase("1.0", 400),
    ListCase("%201", 400),
    ListCase("1,0", 400),
    ListCase("1,,2", 400),
    ListCase("1,", 400),
    ListCase(",1", 400),
    ListCase("1-3", 400),
    ListCase("99999999999", 400),
    ListCase("1%2C2", 200),
    ListCase("4,3,2,1", 200),
    ListCase(",".join(["1"] * 1000), 200, "", "1000 numbers"),
    ListCase(",".join(["1"] * 1001), 200, "", "1001 numbers, frame by frame"),
    ListCase(str(FRAMES + 1), 404, PAST_THE_END),
    ListCase(f"1,{FRAMES + 1}", 404, PAST_THE_END),
    ListCase("2147483647", 404, PAST_THE_END),
)
