"""Writes the tables of settings and rules from the code into the documents: `python -m dev.settings_table`."""

from __future__ import annotations

import json
import re
import sys

from dev.console import CHECKOUT

README = CHECKOUT / "README.md"
RULES = CHECKOUT / "docs/rules.md"


def table() -> str:
    """The settings as Markdown: key, default, what is allowed, meaning with its unit."""
    sys.path.insert(0, str(CHECKOUT / "plugin"))
    from framecache.config.settings import SETTINGS  # noqa: PLC0415 - plugin/ is not on the path of dev/

    rows = [f"| `{s.key}` | `{json.dumps(s.default)}` | {s.allowed} | {s.meaning} |" for s in SETTINGS.values()]
    return "\n".join(["| key | default | allowed | meaning |", "|---|---|---|---|", *rows])


def rules_table() -> str:
    """The keys of a rule as Markdown: what an instance has to be, then what is done with it."""
    sys.path.insert(0, str(CHECKOUT / "plugin"))
    from framecache.policy.keys import CONDITIONS, DECISIONS  # noqa: PLC0415 - plugin/ is not on the path of dev/

    conditions = [f"| `{name}` | {key.allowed} | {key.meaning} |" for name, key in CONDITIONS.items()]
    decisions = [f"| `{name}` | {key.allowed} | {key.meaning} |" for name, key in DECISIONS.items()]
    head = ["| condition | allowed | what is looked at |", "|---|---|---|"]
    return "\n".join([*head, *conditions, "", "| decision | allowed | meaning |", "|---|---|---|", *decisions])


def with_table(document: str) -> str:
    """A document with today's tables in their places."""
    return _with(_with(document, "settings", table()), "keys", rules_table())


def _with(document: str, name: str, content: str) -> str:
    place = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    return place.sub(lambda found: f"{found[1]}{content}\n{found[2]}", document)


if __name__ == "__main__":
    for path in (README, RULES):
        path.write_text(with_table(path.read_text()))
