"""Writes the table of settings into README.md from the settings themselves: `python -m dev.settings_table`."""

from __future__ import annotations

import json
import re
import sys

from dev.console import CHECKOUT

README = CHECKOUT / "README.md"
_PLACE = re.compile(r"(<!-- settings: [^\n]*-->\n).*?(<!-- end of settings -->)", re.DOTALL)


def table() -> str:
    """The settings as Markdown: key, default, what is allowed, meaning with its unit."""
    sys.path.insert(0, str(CHECKOUT / "plugin"))
    from framecache.settings import SETTINGS  # noqa: PLC0415 - plugin/ is not on the path of dev/

    rows = [f"| `{s.key}` | `{json.dumps(s.default)}` | {s.allowed} | {s.meaning} |" for s in SETTINGS.values()]
    return "\n".join(["| key | default | allowed | meaning |", "|---|---|---|---|", *rows])


def with_table(readme: str) -> str:
    """The README with today's table in its place."""
    return _PLACE.sub(lambda found: f"{found[1]}{table()}\n{found[2]}", readme)


if __name__ == "__main__":
    README.write_text(with_table(README.read_text()))
